#include "tests/fakes/network/fake_links.hpp"

#include <algorithm>
#include <cerrno>

namespace sovirt::fakes {

Error fake_error(Code code, int number, std::string message, std::string_view context) {
  return Error{code, std::string{context} + ": " + message + ": errno " + std::to_string(number)}.with_errno(number, std::move(message));
}

FakeLinks::FakeLinks() {
  Link& lo = add("lo", "");
  lo.state.mac = Mac{{}};
  lo.state.mtu = 65536;
}

FakeLinks::Link& FakeLinks::add(std::string_view name, std::string_view kind) {
  if (name.empty() || name.size() > 15) throw fake_error(Code::invalid, ERANGE, "RTM_NEWLINK", name);
  if (name.find_first_of("%/: \t\n") != std::string_view::npos) throw fake_error(Code::invalid, EINVAL, "RTM_NEWLINK", name);
  if (find(name) != nullptr) throw fake_error(Code::conflict, EEXIST, "RTM_NEWLINK", name);
  Link& link = links_[next_];
  link.state.ifindex = next_++;
  link.state.name = name;
  link.state.kind = kind;
  link.state.mtu = 1500;
  link.state.mac = Mac::random_local();
  if (kind == "bridge") link.state.stp = false;
  return link;
}

bool FakeLinks::erase(int ifindex) {
  for (auto& [index, link] : links_)
    if (link.state.master == ifindex) {
      link.state.master = 0;
      link.state.isolated.reset();
    }
  return links_.erase(ifindex) != 0;
}

FakeLinks::Link* FakeLinks::find(std::string_view name) {
  for (auto& [index, link] : links_)
    if (link.state.name == name) return &link;
  return nullptr;
}

FakeLinks::Link* FakeLinks::at(int ifindex) {
  const auto found = links_.find(ifindex);
  return found == links_.end() ? nullptr : &found->second;
}

FakeLinks::Link& FakeLinks::require(std::string_view name) {
  Link* const link = find(name);
  if (link == nullptr) throw fake_error(Code::not_found, ENODEV, "RTM_GETLINK", name);
  return *link;
}

void FakeLinks::change(Link& link, const LinkChange& change) {
  LinkState next = link.state;
  if (change.stp && next.kind != "bridge") throw fake_error(Code::unsupported, EOPNOTSUPP, "RTM_NEWLINK", next.name);
  if (change.mtu && (*change.mtu < 68 || *change.mtu > 65535)) throw fake_error(Code::invalid, EINVAL, "RTM_NEWLINK", next.name);
  if (change.mac && (change.mac->multicast() || change.mac->zero())) throw fake_error(Code::invalid, EADDRNOTAVAIL, "RTM_NEWLINK", next.name);
  if (change.master && *change.master != 0) {
    const Link* const master = at(*change.master);
    if (master == nullptr) throw fake_error(Code::invalid, EINVAL, "RTM_NEWLINK", next.name);
    if (master->state.kind != "bridge") throw fake_error(Code::unsupported, EOPNOTSUPP, "RTM_NEWLINK", next.name);
    if (next.kind == "bridge") throw fake_error(Code::conflict, ELOOP, "RTM_NEWLINK", next.name);
  }
  if (change.isolated && next.master == 0) throw fake_error(Code::unsupported, EOPNOTSUPP, "RTM_NEWLINK", next.name);
  if (change.mtu) next.mtu = *change.mtu;
  if (change.mac) next.mac = *change.mac;
  if (change.stp) next.stp = *change.stp;
  if (change.master && *change.master != next.master) {
    next.master = *change.master;
    next.isolated = next.master != 0 ? std::optional{false} : std::nullopt;
  }
  if (change.isolated) next.isolated = *change.isolated;
  if (change.up) next.up = *change.up;
  if (link.state.up && !next.up)  // the kernel forgets the IPv6 addresses of a link that goes down, and keeps the others
    std::erase_if(next.addresses, [](const Cidr& cidr) { return cidr.address().is_v6(); });
  link.state = std::move(next);
}

bool FakeLinks::add_address(Link& link, const Cidr& cidr) {
  auto& there = link.state.addresses;
  if (std::find(there.begin(), there.end(), cidr) != there.end()) return false;
  const bool other_prefix = cidr.address().is_v6() &&
      std::any_of(there.begin(), there.end(), [&](const Cidr& other) { return other.address() == cidr.address(); });
  if (other_prefix) throw fake_error(Code::conflict, EEXIST, "RTM_NEWADDR", cidr.text() + " on " + link.state.name);
  there.push_back(cidr);
  return true;
}

bool FakeLinks::remove_address(Link& link, const Cidr& cidr) { return std::erase(link.state.addresses, cidr) != 0; }

void FakeLinks::set_gateway(const IpAddress& gateway) {
  for (const auto& [index, link] : links_)
    for (const Cidr& cidr : link.state.addresses)
      if (link.state.up && cidr.contains(gateway)) {
        gateway_ = gateway;
        return;
      }
  throw fake_error(Code::invalid, ENETUNREACH, "RTM_NEWROUTE", gateway.text());
}

}  // namespace sovirt::fakes
