#include "daemon/kernel/netlink/links.hpp"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/veth.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace sovirt::netlink {
namespace {

void put_bridge_data(Batch& batch, bool stp, bool fresh) {
  batch.nest(IFLA_LINKINFO, [&] {
    batch.put_text(IFLA_INFO_KIND, "bridge");
    batch.nest(IFLA_INFO_DATA, [&] {
      // With STP the kernel raises it to the least that STP allows, and refuses to have it set below.
      if (fresh) batch.put_number<std::uint32_t>(IFLA_BR_FORWARD_DELAY, 0);
      batch.put_number<std::uint32_t>(IFLA_BR_STP_STATE, stp ? 1 : 0);
    });
  });
}

// A bridge whose MTU nobody has changed follows its ports' MTU. Only a change counts, not a creation
// with it nor setting what is there: so it is created one off, and settle() sets it.
unsigned passing_mtu(unsigned mtu) { return mtu > 68 ? mtu - 1 : mtu + 1; }

LinkRecord create_passing(Socket& socket, const BridgeLink& bridge) {
  const std::string name = passing_name();
  Batch batch;
  batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  batch.put_text(IFLA_IFNAME, name);
  batch.put_number<std::uint32_t>(IFLA_MTU, passing_mtu(bridge.mtu));
  if (bridge.mac) put_mac(batch, *bridge.mac);
  put_bridge_data(batch, bridge.stp, true);
  put_mark(batch, name, bridge_altname(bridge.uid));
  put_get_link(batch, name);

  const auto outcomes = socket.transact(batch);
  expect(outcomes[0], "RTM_NEWLINK", bridge.name);
  auto made = link_in(outcomes[2], name);
  if (!made) throw kernel_error(ENODEV, "RTM_GETLINK", bridge.name);
  if (outcomes[1].error != 0) {
    delete_index(socket, made->state.ifindex);
    expect(outcomes[1], "RTM_NEWLINKPROP", bridge.name);
  }
  return *std::move(made);
}

// Everything that a bridge of ours has, and its name. Idempotent.
Outcome settle(Socket& socket, int ifindex, const BridgeLink& bridge) {
  Batch batch;
  ifinfomsg head{};
  head.ifi_index = ifindex;
  batch.begin(RTM_NEWLINK, 0, head);
  batch.put_text(IFLA_IFNAME, bridge.name);
  batch.put_number<std::uint32_t>(IFLA_MTU, bridge.mtu);
  if (bridge.mac) put_mac(batch, *bridge.mac);
  put_bridge_data(batch, bridge.stp, false);
  batch.nest(IFLA_AF_SPEC, [&] {
    batch.nest(AF_INET, [&] {
      batch.nest(IFLA_INET_CONF, [&] {
        // Otherwise the removal of one address takes the others of the same subnet with it.
        batch.put_number<std::uint32_t>(IPV4_DEVCONF_PROMOTE_SECONDARIES, 1);
      });
    });
  });
  return socket.transact(batch).front();
}

Outcome set_flags(Socket& socket, int ifindex, bool up) {
  Batch batch;
  ifinfomsg head{};
  head.ifi_index = ifindex;
  head.ifi_change = IFF_UP;
  head.ifi_flags = up ? IFF_UP : 0;
  batch.begin(RTM_SETLINK, 0, head);
  return socket.transact(batch).front();
}

// The mark is there under another name: an earlier call that was cut short, or somebody renamed the bridge.
void take_back(Socket& socket, const LinkRecord& link, const BridgeLink& bridge) {
  Outcome outcome = settle(socket, link.state.ifindex, bridge);
  if (outcome.error == EBUSY) {  // kernels before 6.2 rename only what is down
    expect(set_flags(socket, link.state.ifindex, false), "RTM_SETLINK", link.state.name);
    outcome = settle(socket, link.state.ifindex, bridge);
    set_flags(socket, link.state.ifindex, link.state.up);
  }
  if (outcome.error == EEXIST) throw foreign_link(bridge.name);
  expect(outcome, "RTM_NEWLINK", bridge.name);
}

Outcome send_change(Socket& socket, int ifindex, const LinkChange& change) {
  Batch batch;
  ifinfomsg head{};
  head.ifi_index = ifindex;
  if (change.up) {
    head.ifi_change = IFF_UP;
    head.ifi_flags = *change.up ? IFF_UP : 0;
  }
  batch.begin(RTM_NEWLINK, 0, head);
  if (change.mtu) batch.put_number<std::uint32_t>(IFLA_MTU, *change.mtu);
  if (change.mac) put_mac(batch, *change.mac);
  if (change.master) batch.put_number<std::uint32_t>(IFLA_MASTER, static_cast<std::uint32_t>(*change.master));
  if (change.stp) put_bridge_data(batch, *change.stp, false);
  if (change.isolated) put_port_data(batch, *change.isolated);
  return socket.transact(batch).front();
}

// What `change` touches, as the link has it now.
LinkChange undo_of(const LinkState& now, const LinkChange& change) {
  LinkChange undo;
  if (change.mtu) undo.mtu = now.mtu;
  if (change.mac) undo.mac = now.mac;
  if (change.stp) undo.stp = now.stp;
  if (change.up) undo.up = now.up;
  if (change.master) undo.master = now.master;
  if (change.isolated) undo.isolated = now.isolated;
  return undo;
}

// One end of a pair, down: a veth that is to be up before both ends exist is ENOTCONN. By default it has a queue
// for every CPU the host could have, each an object in sysfs: half of the time of a creation on two CPUs, more on
// more. Without XDP veth uses none of them beyond the first (its transmission takes no lock).
void put_veth_end(Batch& batch, const VethEnd& end) {
  batch.put_text(IFLA_IFNAME, end.name);
  batch.put_number<std::uint32_t>(IFLA_MTU, end.mtu);
  put_mac(batch, end.mac);
  batch.put_number<std::uint32_t>(IFLA_NUM_TX_QUEUES, 1);
  batch.put_number<std::uint32_t>(IFLA_NUM_RX_QUEUES, 1);
}

}  // namespace

// 60 random bits: a link that is there already does not have this name, so what follows in the same
// datagram cannot hit a foreign link even if the creation in front of it failed.
std::string passing_name() {
  constexpr std::string_view digits = "abcdefghijklmnopqrstuvwxyz234567";
  std::array<unsigned char, 12> random;
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) throw errno_error("getrandom");
  std::string name = "so-";
  for (const unsigned char byte : random) name += digits[byte % digits.size()];
  return name;
}

void refuse_pattern(std::string_view name) {
  if (name.find('%') != std::string_view::npos)
    throw kernel_error(EINVAL, "RTM_NEWLINK", std::string{name}, "'%' is not allowed in the name of an interface");
}

void put_mark(Batch& batch, std::string_view name, std::string_view altname) {
  batch.begin(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  batch.put_text(IFLA_IFNAME, name);
  batch.nest(IFLA_PROP_LIST | NLA_F_NESTED, [&] { batch.put_text(IFLA_ALT_IFNAME, altname); });
}

void put_port_data(Batch& batch, bool isolated) {
  batch.nest(IFLA_LINKINFO, [&] {
    batch.put_text(IFLA_INFO_SLAVE_KIND, "bridge");
    batch.nest(IFLA_INFO_SLAVE_DATA, [&] { batch.put_number<std::uint8_t>(IFLA_BRPORT_ISOLATED, isolated ? 1 : 0); });
  });
}

void put_mac(Batch& batch, const Mac& mac) { batch.put(IFLA_ADDRESS, mac.bytes()); }

void put_veth_pair(Batch& batch, const VethEnd& here, const VethEnd& there, int netns) {
  batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  put_veth_end(batch, here);
  batch.nest(IFLA_LINKINFO, [&] {
    batch.put_text(IFLA_INFO_KIND, "veth");
    batch.nest(IFLA_INFO_DATA, [&] {
      batch.nest(VETH_INFO_PEER, [&] {
        const ifinfomsg head{};
        batch.append(&head, sizeof head);
        put_veth_end(batch, there);
        batch.put_number<std::int32_t>(IFLA_NET_NS_FD, netns);
      });
    });
  });
}

Error foreign_link(std::string_view name) {
  return Error{Code::conflict, std::string{name} + " exists and is not sovirt's"}.with_errno(EEXIST, "RTM_NEWLINK");
}

void create_bridge(Socket& socket, const BridgeLink& bridge) {
  refuse_pattern(bridge.name);
  const std::string altname = bridge_altname(bridge.uid);
  if (const auto there = get_link(socket, bridge.name)) {
    if (there->state.mark != bridge.uid) throw foreign_link(bridge.name);
    return;
  }
  if (const auto marked = get_link(socket, altname)) return take_back(socket, *marked, bridge);

  const LinkRecord made = create_passing(socket, bridge);
  const Outcome outcome = settle(socket, made.state.ifindex, bridge);
  if (outcome.error == 0) return;
  delete_index(socket, made.state.ifindex);
  if (outcome.error == EEXIST) throw foreign_link(bridge.name);
  expect(outcome, "RTM_NEWLINK", bridge.name);
}

bool delete_index(Socket& socket, int ifindex) {
  Batch batch;
  ifinfomsg head{};
  head.ifi_index = ifindex;
  batch.begin(RTM_DELLINK, 0, head);
  const auto outcome = socket.transact(batch).front();
  if (outcome.error == ENODEV) return false;
  expect(outcome, "RTM_DELLINK", "link " + std::to_string(ifindex));
  return true;
}

bool delete_link(Socket& socket, std::string_view name, std::string_view uid) {
  const auto link = get_link(socket, name);
  if (!link || link->state.mark.empty() || link->state.mark != uid) return false;
  return delete_index(socket, link->state.ifindex);
}

void change_link(Socket& socket, std::string_view name, const LinkChange& change) {
  const LinkRecord link = require_link(socket, name);
  if (change.stp && link.state.kind != "bridge") throw kernel_error(EOPNOTSUPP, "RTM_NEWLINK", std::string{name}, "not a bridge");
  const Outcome outcome = send_change(socket, link.state.ifindex, change);
  if (outcome.error == 0) return;
  // The kernel works on one attribute after the other and keeps what came before the failure.
  send_change(socket, link.state.ifindex, undo_of(link.state, change));
  expect(outcome, "RTM_NEWLINK", std::string{name});
}

}  // namespace sovirt::netlink
