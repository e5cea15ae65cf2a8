// Interfaces, routes, settings and the ends of links.
#include <algorithm>
#include <cerrno>

#include "tests/fakes/namespace/fake_namespaces.hpp"
#include "tests/fakes/network/fake_network_kernel.hpp"

namespace sovirt::fakes {

FakeNamespaces::Link* FakeNamespaces::by_mark(Space& in, std::string_view mark, int* index) {
  for (auto& [number, link] : in.links) {
    if (link.mark != mark) continue;
    if (index != nullptr) *index = number;
    return &link;
  }
  return nullptr;
}

void FakeNamespaces::refuse_taken(Space& in, std::string_view name, std::string_view mark) const {
  for (const auto& [number, link] : in.links)
    if (link.state.name == name && link.mark != mark)
      throw Error{Code::conflict, "an interface named " + std::string{name} + " is there already"}.with_errno(EEXIST, "RTM_NEWLINK");
}

std::vector<Interface> FakeNamespaces::interfaces(int netns) {
  const Lock lock(mutex_);
  std::vector<Interface> out(1);
  out[0].link.ifindex = 1;
  out[0].link.name = "lo";
  out[0].link.up = true;
  out[0].link.addresses = {*Cidr::parse("127.0.0.1/8"), *Cidr::parse("::1/128")};
  for (const auto& [index, link] : space(netns).links) {
    Interface one;
    one.link.ifindex = index;
    one.link.name = link.state.name;
    one.link.kind = link.kind;
    one.link.mac = link.state.mac;
    one.link.mtu = link.state.mtu;
    one.link.up = link.state.up;
    one.link.mark = link.mark.substr(0, link.mark.find(':'));
    one.link.addresses = link.state.addresses;
    one.peer = link.peer ? link.peer->second : 0;
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<RouteState> FakeNamespaces::routes(int netns) {
  const Lock lock(mutex_);
  std::vector<RouteState> out;
  for (const RouteSpec& route : space(netns).routes) out.push_back({route, true});
  return out;
}

bool FakeNamespaces::add_route(int netns, const RouteSpec& route) {
  const Lock lock(mutex_);
  count_change();
  auto& all = space(netns).routes;
  if (std::find(all.begin(), all.end(), route) != all.end()) return false;
  const auto same = [&](const RouteSpec& one) { return one.to == route.to && one.is_v6() == route.is_v6(); };
  if (std::any_of(all.begin(), all.end(), same)) throw Error{Code::conflict, "there is another route"}.with_errno(EEXIST, "RTM_NEWROUTE");
  all.push_back(route);
  return true;
}

bool FakeNamespaces::remove_route(int netns, const RouteSpec& route) {
  const Lock lock(mutex_);
  return std::erase(space(netns).routes, route) != 0;
}

std::optional<std::string> FakeNamespaces::sysctl(int netns, std::string_view key) {
  const Lock lock(mutex_);
  const auto& all = space(netns).sysctls;
  const auto found = all.find(std::string{key});
  return found == all.end() ? std::nullopt : std::optional{found->second};
}

void FakeNamespaces::set_sysctl(int netns, std::string_view key, std::string_view value) {
  const Lock lock(mutex_);
  count_change();
  auto& all = space(netns).sysctls;
  if (all.count(std::string{key}) == 0) throw Error{Code::invalid, std::string{key} + " cannot be set"}.with_errno(ENOENT, "write");
  all[std::string{key}] = value;
}

std::vector<SocketState> FakeNamespaces::sockets(int) { return {}; }

std::vector<ProcessState> FakeNamespaces::processes(int netns, std::chrono::milliseconds) {
  const Lock lock(mutex_);
  return space(netns).processes;
}

ExecResult FakeNamespaces::exec(int, std::string_view, const ExecRequest& request, std::size_t) {
  ExecResult result;
  result.exit.code = 0;
  result.output = request.command.front();
  return result;
}

std::optional<FoundEnd> FakeNamespaces::find(const LinkEnd& end) {
  const Lock lock(mutex_);
  int index = 0;
  const Link* link = by_mark(space(end.netns), end.mark, &index);
  if (link == nullptr) return network_ != nullptr ? network_->find_end(end) : std::nullopt;
  FoundEnd found;
  found.state = link->state;
  found.state.egress = link->state.egress / 8 * 8;
  found.ifindex = index;
  found.kind = link->kind;
  if (link->peer) {
    found.peer = link->peer->second;
    found.carrier = link->state.up && spaces_[link->peer->first].links[link->peer->second].state.up;
  }
  return found;
}

void FakeNamespaces::make_pair(const LinkEnd& a, const EndState& a_state, const LinkEnd& b, const EndState& b_state) {
  const Lock lock(mutex_);
  count_change();
  Space &first = space(a.netns), &second = space(b.netns);
  if (by_mark(first, a.mark) && by_mark(second, b.mark)) return;
  refuse_taken(first, a_state.name, a.mark);
  refuse_taken(second, b_state.name, b.mark);
  const int one = next_index_++, two = next_index_++;
  const auto fresh_state = [](const EndState& wanted) { return EndState{wanted.name, wanted.mac, wanted.mtu, false, "", {}, 0}; };
  first.links[one] = {a.mark, "veth", fresh_state(a_state), std::pair{id_of(b.netns), two}};
  second.links[two] = {b.mark, "veth", fresh_state(b_state), std::pair{id_of(a.netns), one}};
}

void FakeNamespaces::make_single(const LinkEnd& end, const EndState& state, const LinkSpec& spec) {
  const Lock lock(mutex_);
  count_change();
  Space& in = space(end.netns);
  if (by_mark(in, end.mark)) return;
  refuse_taken(in, state.name, end.mark);
  in.links[next_index_++] = {end.mark, std::string{link_type_text(spec.type)}, EndState{state.name, state.mac, state.mtu, false, "", {}, 0}, {}};
}

void FakeNamespaces::configure(const LinkEnd& end, const EndState& wanted) {
  Lock lock(mutex_);
  count_change();
  int index = 0;
  Link* link = by_mark(space(end.netns), end.mark, &index);
  if (link == nullptr && network_ != nullptr && network_->configure_end(end, wanted)) return tell(lock, id_of(end.netns), index, false);
  if (link == nullptr) throw Error{Code::conflict, "the end of the link is gone"}.with_errno(ENODEV, "RTM_GETLINK");
  refuse_taken(space(end.netns), wanted.name, end.mark);
  link->state = wanted;
  tell(lock, id_of(end.netns), index, false);
}

void FakeNamespaces::move(const LinkEnd& end, int netns, std::string_view name) {
  Lock lock(mutex_);
  count_change();
  Space &from = space(end.netns), &to = space(netns);
  if (by_mark(to, end.mark)) return;
  int index = 0;
  Link* link = by_mark(from, end.mark, &index);
  if (link == nullptr) throw Error{Code::conflict, "the end of the link is gone"}.with_errno(ENODEV, "RTM_GETLINK");
  refuse_taken(to, name, end.mark);
  Link moved = *link;
  from.links.erase(index);
  moved.state.name = name;
  moved.state.up = false;   // a move closes it, and its addresses are gone with that
  moved.state.bridge.clear();
  moved.state.addresses.clear();
  const int there = to.links.count(index) == 0 ? index : next_index_++;
  if (moved.peer) spaces_[moved.peer->first].links[moved.peer->second].peer = std::pair{id_of(netns), there};
  to.links[there] = std::move(moved);
  tell(lock, id_of(end.netns), index, true);
}

void FakeNamespaces::erase(std::uint64_t id, int ifindex) {
  const auto peer = spaces_[id].links[ifindex].peer;
  spaces_[id].links.erase(ifindex);
  if (peer) spaces_[peer->first].links.erase(peer->second);
}

bool FakeNamespaces::remove(const LinkEnd& end) {
  Lock lock(mutex_);
  int index = 0;
  if (!by_mark(space(end.netns), end.mark, &index)) return network_ != nullptr && network_->remove_end(end);
  erase(id_of(end.netns), index);
  tell(lock, id_of(end.netns), index, true);
  return true;
}

void FakeNamespaces::foreign_delete(int netns, std::string_view interface) {
  Lock lock(mutex_);
  for (const auto& [index, link] : space(netns).links) {
    if (link.state.name != interface) continue;
    const int gone = index;
    erase(id_of(netns), gone);
    return tell(lock, id_of(netns), gone, true);
  }
}

void FakeNamespaces::foreign_flush(int netns, std::string_view interface) {
  Lock lock(mutex_);
  for (auto& [index, link] : space(netns).links) {
    if (link.state.name != interface) continue;
    link.state.addresses.clear();
    return tell(lock, id_of(netns), index, false);
  }
}

// By the addresses of its interfaces alone: an own one is local, one in the subnet of an interface that is up is beyond it.
ProbeRoute FakeNamespaces::route_to(int netns, const IpAddress& to) {
  ProbeRoute route;
  for (const Interface& one : interfaces(netns))
    for (const Cidr& cidr : one.link.addresses) {
      if (cidr.address() == to) return {0, "lo", std::nullopt, to, true};
      if (one.link.up && one.link.name != "lo" && cidr.contains(to)) route = {0, one.link.name, std::nullopt, cidr.address(), false};
    }
  if (route.dev.empty()) route.error = ENETUNREACH;
  return route;
}

ProbeAnswer FakeNamespaces::ping(int netns, const IpAddress& to, std::chrono::milliseconds) {
  const ProbeRoute route = route_to(netns, to);
  if (route.error != 0) return {std::nullopt, route.error};
  if (route.local) return {std::chrono::microseconds{10}, 0};
  return {};
}

}  // namespace sovirt::fakes
