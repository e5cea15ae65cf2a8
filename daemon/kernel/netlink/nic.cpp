#include "daemon/kernel/netlink/nic.hpp"

#include <linux/if.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <cerrno>

#include "daemon/kernel/netlink/links.hpp"
#include "daemon/kernel/netlink/namespaces.hpp"

namespace sovirt::netlink {
namespace {

ifinfomsg up_header() {
  ifinfomsg head{};
  head.ifi_flags = IFF_UP;
  head.ifi_change = IFF_UP;
  return head;
}

// No IPv6 link-local address on a port: must be said while it is down, and a creation ignores it.
void put_no_link_local(Batch& batch, const NicPlug& nic) {
  batch.begin(RTM_SETLINK, 0, ifinfomsg{});
  batch.put_text(IFLA_IFNAME, nic.host_name);
  batch.nest(IFLA_AF_SPEC, [&] {
    batch.nest(AF_INET6, [&] { batch.put_number<std::uint8_t>(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE); });
  });
}

void put_join_bridge(Batch& batch, const NicPlug& nic, int bridge) {
  batch.begin(RTM_SETLINK, 0, up_header());
  batch.put_text(IFLA_IFNAME, nic.host_name);
  batch.put_number<std::uint32_t>(IFLA_MTU, nic.mtu);
  batch.put_number<std::uint32_t>(IFLA_MASTER, static_cast<std::uint32_t>(bridge));
}

// Behind the message that makes it a port: the kernel takes a port's attributes only from what is one.
void put_isolated(Batch& batch, const NicPlug& nic) {
  batch.begin(RTM_NEWLINK, 0, ifinfomsg{});
  batch.put_text(IFLA_IFNAME, nic.host_name);
  put_port_data(batch, nic.isolated);
}

// EAFNOSUPPORT: the kernel has no IPv6, or not on this link, and then no link-local address either.
bool harmless(const Outcome& outcome) { return outcome.error == EAFNOSUPPORT || outcome.error == EOPNOTSUPP; }

// Both ends in place, the host's marked and a port of the bridge, in one datagram. What comes behind the creation
// finds the link by name: the caller has seen that no such link was there, and the name is random.
LinkRecord create_pair(Socket& host, const NicPlug& nic, int bridge) {
  Batch batch;
  put_veth_pair(batch, {nic.host_name, Mac::derived(nic.host_name), nic.mtu}, {nic.name, nic.mac, nic.mtu}, nic.netns);
  put_get_link(batch, nic.host_name);  // here, because a link that came up keeps the kernel's lock busy for a while
  put_mark(batch, nic.host_name, nic_altname(nic.uid, nic.host_name));
  put_no_link_local(batch, nic);
  put_join_bridge(batch, nic, bridge);
  if (nic.isolated) put_isolated(batch, nic);

  const auto outcomes = host.transact(batch);
  const std::string context = nic.host_name + " and " + nic.name;
  expect(outcomes[0], "RTM_NEWLINK", context);
  auto made = link_in(outcomes[1], nic.host_name);
  if (!made) throw kernel_error(ENODEV, "RTM_GETLINK", context);
  try {
    expect(outcomes[2], "RTM_NEWLINKPROP", context);
    if (!harmless(outcomes[3])) expect(outcomes[3], "RTM_SETLINK", context);
    expect(outcomes[4], "RTM_SETLINK", nic.host_name + " as a port of " + nic.bridge);
    if (nic.isolated) expect(outcomes[5], "RTM_NEWLINK", nic.host_name + " isolated");
  } catch (const Error&) {
    delete_index(host, made->state.ifindex);
    throw;
  }
  return *std::move(made);
}

void put_default_route(Batch& batch, int ifindex, const IpAddress& gateway) {
  rtmsg head{};
  head.rtm_family = gateway.is_v6() ? AF_INET6 : AF_INET;
  head.rtm_table = RT_TABLE_MAIN;
  head.rtm_protocol = our_route_protocol;
  head.rtm_scope = RT_SCOPE_UNIVERSE;
  head.rtm_type = RTN_UNICAST;
  // Appended, so that EEXIST means this very route and a second NIC's does not push out the first's.
  batch.begin(RTM_NEWROUTE, static_cast<std::uint16_t>(NLM_F_CREATE | (gateway.is_v6() ? 0 : NLM_F_APPEND)), head);
  batch.put(RTA_GATEWAY, {gateway.bytes(), gateway.size()});
  batch.put_number<std::uint32_t>(RTA_OIF, static_cast<std::uint32_t>(ifindex));
}

// The end inside: marked as the other one, up, with addresses and default route. Idempotent.
void configure_inside(Socket& inside, const NicPlug& nic, int ifindex) {
  Batch batch;
  ifinfomsg head = up_header();
  head.ifi_index = ifindex;
  batch.begin(RTM_SETLINK, 0, head);
  batch.put_number<std::uint32_t>(IFLA_MTU, nic.mtu);
  put_mac(batch, nic.mac);
  put_mark(batch, nic.name, nic_altname(nic.uid, nic.host_name));
  for (const Cidr& cidr : nic.addresses) put_new_address(batch, ifindex, cidr);
  if (nic.gateway) put_default_route(batch, ifindex, *nic.gateway);
  const auto outcomes = inside.transact(batch);
  expect(outcomes.front(), "RTM_SETLINK", nic.name);
  if (outcomes[1].error != EEXIST) expect(outcomes[1], "RTM_NEWLINKPROP", nic.name);
  for (std::size_t i = 0; i < nic.addresses.size(); ++i) address_added(outcomes[i + 2], nic.name, nic.addresses[i]);
  if (nic.gateway && outcomes.back().error != EEXIST)
    expect(outcomes.back(), "RTM_NEWROUTE", "default route by " + nic.gateway->text() + " on " + nic.name);
}

// Is the other end of this pair what `nic` asks for? Then its ifindex inside.
std::optional<int> joined(Socket& inside, const NicPlug& nic, const LinkRecord& host_end) {
  const auto end = get_link(inside, nic.name);
  if (!end || end->state.kind != "veth" || end->peer != host_end.state.ifindex || host_end.peer != end->state.ifindex) return {};
  return end->state.ifindex;
}

// Sets again what somebody may have changed of a pair that is there.
void refresh(Socket& host, Socket& inside, const NicPlug& nic, int bridge, int inside_index) {
  Batch outer;
  put_join_bridge(outer, nic, bridge);
  put_isolated(outer, nic);
  for (const Outcome& outcome : host.transact(outer)) expect(outcome, "RTM_SETLINK", nic.host_name);
  configure_inside(inside, nic, inside_index);
}

// true: the pair was there and is as it should be. A pair of ours whose other end is elsewhere, because the container
// it was made for is dying, is removed.
bool reuse(Socket& host, const NicPlug& nic, int bridge, const LinkRecord& host_end) {
  if (host_end.state.mark != nic.uid || host_end.state.name != nic.host_name) throw foreign_link(nic.host_name);
  Socket inside = socket_in(nic.netns);
  if (const auto index = joined(inside, nic, host_end)) {
    refresh(host, inside, nic, bridge, *index);
    return true;
  }
  delete_index(host, host_end.state.ifindex);
  return false;
}

}  // namespace

void plug(Socket& host, const NicPlug& nic) {
  refuse_pattern(nic.host_name);
  refuse_pattern(nic.name);
  Batch batch;
  put_get_link(batch, nic.bridge);
  put_get_link(batch, nic.host_name);
  const auto outcomes = host.transact(batch);
  const auto bridge = link_in(outcomes[0], nic.bridge);
  if (!bridge) throw kernel_error(ENODEV, "RTM_GETLINK", nic.bridge);
  if (const auto there = link_in(outcomes[1], nic.host_name); there && reuse(host, nic, bridge->state.ifindex, *there)) return;

  const LinkRecord made = create_pair(host, nic, bridge->state.ifindex);
  try {
    Socket inside = socket_in(nic.netns);
    configure_inside(inside, nic, made.peer);
  } catch (const Error&) {
    delete_index(host, made.state.ifindex);
    throw;
  }
}

}  // namespace sovirt::netlink
