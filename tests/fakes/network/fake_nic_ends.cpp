// The two ends of a NIC as LinkEnds sees them.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "tests/fakes/network/fake_network_kernel.hpp"

namespace sovirt::fakes {

// A namespace of another fake's has none.
FakeLinks::Link* FakeNetworkKernel::end_link(const LinkEnd& end) {
  struct stat about{};
  if (end.netns >= 0 && (::fstat(end.netns, &about) != 0 || !spaces_.contains(about.st_ino))) return nullptr;
  for (auto& [index, link] : space(end.netns < 0 ? 0 : id_of(end.netns)).links.all())
    if (!link.end.empty() && link.end == end.mark) return &link;
  return nullptr;
}

std::optional<FoundEnd> FakeNetworkKernel::find_end(const LinkEnd& end) {
  const Operation operation{*this};
  const Link* const link = end_link(end);
  if (link == nullptr) return std::nullopt;
  FoundEnd found;
  found.state = {link->state.name, link->state.mac, link->state.mtu, link->state.up, "", link->state.addresses, link->egress};
  found.ifindex = link->state.ifindex;
  found.peer = link->peer;
  found.carrier = link->state.carrier;
  found.kind = link->state.kind;
  if (const Link* const master = host().at(link->state.master); link->state.master != 0 && master != nullptr) found.state.bridge = master->state.name;
  return found;
}

bool FakeNetworkKernel::configure_end(const LinkEnd& end, const EndState& wanted) {
  const Operation operation{*this};
  Link* const link = end_link(end);
  if (link == nullptr) return false;
  FakeLinks& links = space(end.netns < 0 ? 0 : id_of(end.netns)).links;
  LinkChange change{.mtu = wanted.mtu, .mac = wanted.mac, .stp = {}, .up = wanted.up, .master = {}};
  if (end.netns < 0) change.master = wanted.bridge.empty() ? 0 : host().require(wanted.bridge).state.ifindex;
  links.change(*link, change);
  link->state.name = wanted.name;
  link->state.addresses = wanted.addresses;
  link->egress = wanted.egress;
  refresh_carrier();
  if (end.netns < 0) tell(link->state);
  return true;
}

bool FakeNetworkKernel::remove_end(const LinkEnd& end) {
  const Operation operation{*this};
  const Link* const link = end_link(end);
  if (link == nullptr) return false;
  erase(end.netns < 0 ? 0 : id_of(end.netns), link->state.ifindex);
  return true;
}

}  // namespace sovirt::fakes
