#include "tests/fakes/network/fake_network_kernel.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sovirt::fakes {
namespace {

bool marked(const LinkState& link, std::string_view uid) { return !link.mark.empty() && link.mark == uid; }

Error foreign(std::string_view name) {
  return Error{Code::conflict, std::string{name} + " exists and is not sovirt's"}.with_errno(EEXIST, "RTM_NEWLINK");
}

LinkState without_addresses(LinkState state) {
  state.addresses.clear();
  return state;
}

}  // namespace

std::optional<LinkState> FakeNetworkKernel::find_link(std::string_view name) {
  const Operation operation{*this, Operation::Kind::port};
  const Link* const link = host().find(name);
  return link == nullptr ? std::nullopt : std::optional{link->state};
}

void FakeNetworkKernel::create_bridge(const BridgeLink& bridge) {
  const Operation operation{*this, Operation::Kind::port};
  if (const Link* const there = host().find(bridge.name)) {
    if (!marked(there->state, bridge.uid)) throw foreign(bridge.name);
    return;
  }
  Link* link = nullptr;
  for (auto& [index, candidate] : host().all())
    if (marked(candidate.state, bridge.uid)) link = &candidate;
  const LinkChange wanted{.mtu = bridge.mtu, .mac = bridge.mac, .stp = bridge.stp, .up = {}, .master = {}};
  if (link != nullptr) {  // somebody renamed it
    host().change(*link, wanted);
    link->state.name = bridge.name;
  } else {
    Link& made = host().add(bridge.name, "bridge");
    try {
      host().change(made, wanted);
    } catch (const Error&) {
      host().erase(made.state.ifindex);
      throw;
    }
    made.state.mark = bridge.uid;
    link = &made;
  }
  tell(link->state);
}

bool FakeNetworkKernel::delete_link(std::string_view name, std::string_view uid) {
  const Operation operation{*this, Operation::Kind::port};
  const Link* const link = host().find(name);
  if (link == nullptr || !marked(link->state, uid)) return false;
  erase(0, link->state.ifindex);
  return true;
}

void FakeNetworkKernel::change_link(std::string_view name, const LinkChange& change) {
  const Operation operation{*this, Operation::Kind::port};
  Link& link = host().require(name);
  host().change(link, change);
  tell(link.state);
}

bool FakeNetworkKernel::add_address(std::string_view link, const Cidr& cidr) {
  const Operation operation{*this, Operation::Kind::port};
  Link& found = host().require(link);
  if (!host().add_address(found, cidr)) return false;
  tell(found.state);
  return true;
}

bool FakeNetworkKernel::remove_address(std::string_view link, const Cidr& cidr) {
  const Operation operation{*this, Operation::Kind::port};
  Link* const found = host().find(link);
  if (found == nullptr || !host().remove_address(*found, cidr)) return false;
  tell(found->state);
  return true;
}

std::vector<LinkState> FakeNetworkKernel::ports(int bridge_ifindex) {
  const Operation operation{*this, Operation::Kind::port};
  std::vector<LinkState> out;
  for (const auto& [index, link] : host().all())
    if (bridge_ifindex > 0 && link.state.master == bridge_ifindex) out.push_back(without_addresses(link.state));
  return out;
}

std::vector<LinkState> FakeNetworkKernel::marked_links() {
  const Operation operation{*this, Operation::Kind::port};
  std::vector<LinkState> out;
  for (const auto& [index, link] : host().all())
    if (!link.state.mark.empty()) out.push_back(without_addresses(link.state));
  return out;
}

unique_fd FakeNetworkKernel::create_netns() {
  const Operation operation{*this, Operation::Kind::port};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw errno_error("pipe2");
  unique_fd reader{ends[0]};
  unique_fd writer{ends[1]};
  struct stat about{};
  if (::fstat(writer.get(), &about) != 0) throw errno_error("fstat");
  Space& made = spaces_[about.st_ino];
  made.reader = std::move(reader);
  Link& lo = made.links.require("lo");
  lo.state.up = true;
  lo.state.addresses = {*Cidr::parse("127.0.0.1/8"), *Cidr::parse("::1/128")};
  refresh_carrier();
  return writer;
}

unique_fd FakeNetworkKernel::open_netns(pid_t pid) {
  const Operation operation{*this, Operation::Kind::port};
  const auto found = processes_.find(pid);
  if (found == processes_.end()) throw fake_error(Code::not_found, ENOENT, "open", "process " + std::to_string(pid));
  return found->second.duplicate();
}

void FakeNetworkKernel::plug(const NicPlug& nic) {
  const Operation operation{*this, Operation::Kind::port};
  Link& bridge = host().require(nic.bridge);
  const SpaceId inside = id_of(nic.netns);
  if (Link* const there = host().find(nic.host_name)) {
    if (!marked(there->state, nic.uid)) throw foreign(nic.host_name);
    Link* const end = there->peer_space == inside ? space(inside).links.at(there->peer) : nullptr;
    if (end != nullptr && end->state.name == nic.name) {
      host().change(*there, {.mtu = nic.mtu, .mac = {}, .stp = {}, .up = true, .master = bridge.state.ifindex});
      there->state.isolated = nic.isolated;
      configure(space(inside).links, *end, nic);
      tell(there->state);
      return;
    }
    erase(0, there->state.ifindex);
  }
  connect(inside, nic, bridge);
}

std::vector<LinkState> FakeNetworkKernel::links_in(int netns) {
  const Operation operation{*this, Operation::Kind::port};
  std::vector<LinkState> out;
  for (const auto& [index, link] : space(id_of(netns)).links.all()) out.push_back(link.state);
  return out;
}

std::shared_ptr<void> FakeNetworkKernel::watch(Listener listener) { return hub_.subscribe(std::move(listener)); }

void FakeNetworkKernel::connect(SpaceId inside, const NicPlug& nic, Link& bridge) {
  FakeLinks& links = space(inside).links;
  if (links.find(nic.name) != nullptr) throw fake_error(Code::conflict, EEXIST, "RTM_NEWLINK", nic.host_name + " and " + nic.name);
  Link& outer = host().add(nic.host_name, "veth");
  const int outer_index = outer.state.ifindex;
  int inner_index = 0;
  try {
    Link& inner = links.add(nic.name, "veth");
    inner_index = inner.state.ifindex;
    outer.peer_space = inside;
    outer.peer = inner_index;
    inner.peer_space = 0;
    inner.peer = outer_index;
    host().change(outer, {.mtu = nic.mtu, .mac = {}, .stp = {}, .up = true, .master = bridge.state.ifindex});
    configure(links, inner, nic);
  } catch (const Error&) {
    links.erase(inner_index);
    host().erase(outer_index);
    throw;
  }
  outer.state.isolated = nic.isolated;
  outer.state.mark = nic.uid;
  outer.end = nic.uid + ":" + nic.host_name;
  tell(outer.state);
}

void FakeNetworkKernel::configure(FakeLinks& links, Link& end, const NicPlug& nic) {
  links.change(end, {.mtu = nic.mtu, .mac = nic.mac, .stp = {}, .up = true, .master = {}});
  end.state.mark = nic.uid;
  end.end = nic.uid + ":" + nic.host_name;
  for (const Cidr& cidr : nic.addresses) links.add_address(end, cidr);
  if (nic.gateway) links.set_gateway(*nic.gateway);
  refresh_carrier();
}

}  // namespace sovirt::fakes
