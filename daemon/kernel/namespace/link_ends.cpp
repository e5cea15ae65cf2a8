#include <linux/if.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "daemon/kernel/namespace/look.hpp"
#include "daemon/kernel/namespace/namespaces.hpp"
#include "daemon/kernel/netlink/links.hpp"
#include "daemon/kernel/netlink/records.hpp"

namespace sovirt::netns {
namespace {

using netlink::Batch;
using netlink::LinkRecord;
using netlink::Socket;

std::string altname(std::string_view mark) { return netlink::bridge_altname(mark); }

Error taken(std::string_view name) {
  return Error{Code::conflict, "an interface named " + std::string{name} + " is there already and is not this link's"}
      .with_errno(EEXIST, "RTM_NEWLINK")
      .with_hint("choose another name for this end");
}

Error no_such_kind(const LinkSpec& spec, int number) {
  const char* option = spec.type == LinkType::vxlan ? "CONFIG_VXLAN" : spec.type == LinkType::macvlan ? "CONFIG_MACVLAN" : "CONFIG_DUMMY";
  return Error{Code::unsupported, "this kernel has no links of type " + std::string{link_type_text(spec.type)} + ": " + option + " is missing"}
      .with_errno(number, "RTM_NEWLINK")
      .with_hint(std::string{"load the module, or use a kernel built with "} + option);
}

ifinfomsg of_index(int ifindex) {
  ifinfomsg head{};
  head.ifi_index = ifindex;
  return head;
}

void put_vxlan(Batch& batch, const VxlanSpec& vxlan, int device) {
  batch.put_number<std::uint32_t>(IFLA_VXLAN_ID, vxlan.id);
  const auto put = [&](const std::optional<IpAddress>& address, std::uint16_t v4, std::uint16_t v6) {
    if (address) batch.put(address->is_v6() ? v6 : v4, {address->bytes(), address->size()});
  };
  put(vxlan.remote, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6);
  put(vxlan.local, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6);
  if (device != 0) batch.put_number<std::uint32_t>(IFLA_VXLAN_LINK, static_cast<std::uint32_t>(device));
  batch.put_number<std::uint16_t>(IFLA_VXLAN_PORT, static_cast<std::uint16_t>(vxlan.port >> 8 | vxlan.port << 8));
}

std::uint32_t macvlan_mode(const std::string& mode) {
  return mode == "private" ? MACVLAN_MODE_PRIVATE : mode == "vepa" ? MACVLAN_MODE_VEPA : mode == "passthru" ? MACVLAN_MODE_PASSTHRU : MACVLAN_MODE_BRIDGE;
}

// What the creation of a link said, with the first message's failure thrown.
LinkRecord made_link(Socket& socket, Batch& batch, std::string_view passing, std::string_view mark) {
  netlink::put_get_link(batch, passing);
  netlink::put_mark(batch, passing, altname(mark));
  const auto outcomes = socket.transact(batch);
  if (outcomes[0].error == EEXIST) throw taken("that the other end is to have");
  netlink::expect(outcomes[0], "RTM_NEWLINK", std::string{mark});
  auto made = netlink::link_in(outcomes[1], passing);
  if (!made) throw netlink::kernel_error(ENODEV, "RTM_GETLINK", std::string{mark});
  if (outcomes[2].error != 0) {
    netlink::delete_index(socket, made->state.ifindex);
    netlink::expect(outcomes[2], "RTM_NEWLINKPROP", std::string{mark});
  }
  return *std::move(made);
}

void put_mark_on(Socket& socket, int ifindex, std::string_view mark) {
  Batch batch;
  batch.begin(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL, of_index(ifindex));
  batch.nest(IFLA_PROP_LIST | NLA_F_NESTED, [&] { batch.put_text(IFLA_ALT_IFNAME, altname(mark)); });
  const auto outcome = socket.transact(batch).front();
  if (outcome.error != EEXIST) netlink::expect(outcome, "RTM_NEWLINKPROP", std::string{mark});
}

netlink::Outcome set_up(Socket& socket, int ifindex, bool up) {
  Batch batch;
  ifinfomsg head = of_index(ifindex);
  head.ifi_change = IFF_UP;
  head.ifi_flags = up ? IFF_UP : 0;
  batch.begin(RTM_NEWLINK, 0, head);
  return socket.transact(batch).front();
}

netlink::Outcome send_name(Socket& socket, int ifindex, std::string_view name) {
  Batch batch;
  batch.begin(RTM_NEWLINK, 0, of_index(ifindex));
  batch.put_text(IFLA_IFNAME, name);
  return socket.transact(batch).front();
}

void rename(Socket& socket, const LinkRecord& link, std::string_view name) {
  if (link.state.name == name) return;
  auto outcome = send_name(socket, link.state.ifindex, name);
  if (outcome.error == EBUSY) {   // kernels before 6.2 rename only what is down
    set_up(socket, link.state.ifindex, false);
    outcome = send_name(socket, link.state.ifindex, name);
    set_up(socket, link.state.ifindex, link.state.up);
  }
  if (outcome.error == EEXIST) throw taken(name);
  netlink::expect(outcome, "RTM_NEWLINK", std::string{name});
}

int bridge_index(Socket& socket, const std::string& bridge) {
  return bridge.empty() ? 0 : netlink::require_link(socket, bridge).state.ifindex;
}

// A port needs no IPv6 address of its own; it must be said while it is down.
void put_no_link_local(Batch& batch, int ifindex) {
  batch.begin(RTM_SETLINK, 0, of_index(ifindex));
  batch.nest(IFLA_AF_SPEC, [&] {
    batch.nest(AF_INET6, [&] { batch.put_number<std::uint8_t>(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE); });
  });
}

void apply_link(Socket& socket, const LinkRecord& link, const EndState& wanted) {
  const int master = bridge_index(socket, wanted.bridge);
  Batch batch;
  if (master != 0 && !link.state.up) put_no_link_local(batch, link.state.ifindex);
  ifinfomsg head = of_index(link.state.ifindex);
  head.ifi_change = IFF_UP;
  head.ifi_flags = wanted.up ? IFF_UP : 0;
  batch.begin(RTM_NEWLINK, 0, head);
  if (wanted.mtu != link.state.mtu) batch.put_number<std::uint32_t>(IFLA_MTU, wanted.mtu);
  if (wanted.mac != link.state.mac) netlink::put_mac(batch, wanted.mac);
  if (master != link.state.master) batch.put_number<std::uint32_t>(IFLA_MASTER, static_cast<std::uint32_t>(master));
  netlink::expect(socket.transact(batch).back(), "RTM_NEWLINK", wanted.name);
}

void apply_addresses(Socket& socket, int ifindex, const EndState& wanted) {
  const auto there = netlink::addresses_of(socket, ifindex);
  for (const Cidr& cidr : there)
    if (std::find(wanted.addresses.begin(), wanted.addresses.end(), cidr) == wanted.addresses.end()) netlink::remove_address(socket, wanted.name, cidr);
  for (const Cidr& cidr : wanted.addresses)
    if (std::find(there.begin(), there.end(), cidr) == there.end()) netlink::add_address(socket, wanted.name, cidr);
}

std::optional<LinkRecord> by_mark(Socket& socket, std::string_view mark) { return netlink::get_link(socket, altname(mark)); }

LinkRecord require(Socket& socket, std::string_view mark) {
  auto link = by_mark(socket, mark);
  if (!link) throw Error{Code::conflict, "the end of the link is gone"}.with_errno(ENODEV, "RTM_GETLINK");
  return *std::move(link);
}

class Ends final : public LinkEnds {
 public:
  std::optional<FoundEnd> find(const LinkEnd& end) override {
    auto socket = enter(end.netns);
    const auto link = by_mark(socket, end.mark);
    if (!link) return std::nullopt;
    FoundEnd found;
    found.state = {link->state.name, link->state.mac, link->state.mtu, link->state.up, "", {}, 0};
    found.ifindex = link->state.ifindex;
    found.peer = link->peer;
    found.carrier = link->state.carrier;
    found.kind = link->state.kind;
    found.state.addresses = netlink::addresses_of(socket, found.ifindex);
    found.state.egress = egress_of(socket, found.ifindex);
    if (link->state.master != 0) found.state.bridge = master_name(socket, link->state.master);
    return found;
  }

  void make_pair(const LinkEnd& a, const EndState& a_state, const LinkEnd& b, const EndState& b_state) override {
    netlink::refuse_pattern(a_state.name);
    netlink::refuse_pattern(b_state.name);
    auto socket = enter(a.netns), other = enter(b.netns);
    if (by_mark(socket, a.mark) && by_mark(other, b.mark)) return;
    if (netlink::get_link(other, b_state.name)) throw taken(b_state.name);
    const unique_fd b_netns = descriptor(b.netns);
    const std::string passing = netlink::passing_name();
    Batch batch;
    netlink::put_veth_pair(batch, {passing, a_state.mac, a_state.mtu}, {b_state.name, b_state.mac, b_state.mtu}, b_netns.get());
    const LinkRecord made = made_link(socket, batch, passing, a.mark);
    try {
      put_mark_on(other, made.peer, b.mark);
      rename(socket, made, a_state.name);
    } catch (const Error&) {
      netlink::delete_index(socket, made.state.ifindex);
      throw;
    }
  }

  void make_single(const LinkEnd& end, const EndState& state, const LinkSpec& spec) override {
    netlink::refuse_pattern(state.name);
    // What lies beneath is the host's, and stays so when the link itself is elsewhere.
    auto host = enter(-1), inside = enter(end.netns);
    if (by_mark(inside, end.mark)) return;
    const std::string& beneath = spec.type == LinkType::macvlan ? spec.parent : spec.vxlan.dev;
    const int device = beneath.empty() ? 0 : netlink::require_link(host, beneath).state.ifindex;
    const std::string passing = netlink::passing_name();
    Batch batch;
    put_single(batch, passing, state, spec, device);
    const LinkRecord made = make_of_type(host, batch, passing, end.mark, spec);
    try {
      if (end.netns >= 0) move_to(host, made, end.netns, passing);
      rename(inside, require(inside, end.mark), state.name);
    } catch (const Error&) {
      if (const auto left = by_mark(inside, end.mark)) netlink::delete_index(inside, left->state.ifindex);
      if (const auto left = by_mark(host, end.mark)) netlink::delete_index(host, left->state.ifindex);
      throw;
    }
  }

  void configure(const LinkEnd& end, const EndState& wanted) override {
    auto socket = enter(end.netns);
    const LinkRecord link = require(socket, end.mark);
    rename(socket, link, wanted.name);
    apply_link(socket, link, wanted);
    apply_addresses(socket, link.state.ifindex, wanted);
    if (egress_of(socket, link.state.ifindex) != wanted.egress / 8 * 8) set_egress(socket, link.state.ifindex, wanted.egress);
  }

  void move(const LinkEnd& end, int netns, std::string_view name) override {
    {
      auto target = enter(netns);
      if (by_mark(target, end.mark)) return;
    }
    auto socket = enter(end.netns);
    move_to(socket, require(socket, end.mark), descriptor(netns).get(), name);
  }

  bool remove(const LinkEnd& end) override {
    auto socket = enter(end.netns);
    const auto link = by_mark(socket, end.mark);
    return link && netlink::delete_index(socket, link->state.ifindex);
  }

 private:
  static std::string master_name(Socket& socket, int master) {
    Batch batch;
    batch.begin(RTM_GETLINK, 0, of_index(master));
    const auto outcome = socket.transact(batch).front();
    return outcome.error == 0 ? netlink::read_link(outcome.reply).state.name : "";
  }

  static void put_single(Batch& batch, std::string_view name, const EndState& state, const LinkSpec& spec, int device) {
    batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
    batch.put_text(IFLA_IFNAME, name);
    batch.put_number<std::uint32_t>(IFLA_MTU, state.mtu);
    netlink::put_mac(batch, state.mac);
    if (spec.type == LinkType::macvlan) batch.put_number<std::uint32_t>(IFLA_LINK, static_cast<std::uint32_t>(device));
    batch.nest(IFLA_LINKINFO, [&] {
      batch.put_text(IFLA_INFO_KIND, link_type_text(spec.type));
      batch.nest(IFLA_INFO_DATA, [&] {
        if (spec.type == LinkType::vxlan) put_vxlan(batch, spec.vxlan, device);
        if (spec.type == LinkType::macvlan) batch.put_number<std::uint32_t>(IFLA_MACVLAN_MODE, macvlan_mode(spec.mode));
      });
    });
  }

  static LinkRecord make_of_type(Socket& socket, Batch& batch, std::string_view passing, std::string_view mark, const LinkSpec& spec) {
    try {
      return made_link(socket, batch, passing, mark);
    } catch (const Error& error) {
      if (error.error_number() == EOPNOTSUPP && error.syscall() == "RTM_NEWLINK") throw no_such_kind(spec, EOPNOTSUPP);
      throw;
    }
  }

  // With a new name, so that one the other namespace has already is in nobody's way.
  static void move_to(Socket& socket, const LinkRecord& link, int netns, std::string_view name) {
    Batch batch;
    batch.begin(RTM_NEWLINK, 0, of_index(link.state.ifindex));
    batch.put_text(IFLA_IFNAME, name);
    batch.put_number<std::int32_t>(IFLA_NET_NS_FD, netns);
    const auto outcome = socket.transact(batch).front();
    if (outcome.error == EEXIST) throw taken(name);
    netlink::expect(outcome, "RTM_NEWLINK", link.state.name + " to another namespace");
  }
};

}  // namespace
}  // namespace sovirt::netns

namespace sovirt {
std::unique_ptr<LinkEnds> make_link_ends() { return std::make_unique<netns::Ends>(); }
}  // namespace sovirt
