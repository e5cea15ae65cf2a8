#include "api/nic.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "api/names.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr std::size_t most_nics = 8, most_addresses = 64;

// Names and addresses that only one of a container's NICs can have.
struct Seen {
  std::set<std::string> names, macs, addresses, published, peers;
};

bool has_v4(const std::vector<Cidr>& addresses) {
  return std::any_of(addresses.begin(), addresses.end(), [](const Cidr& cidr) { return !cidr.address().is_v6(); });
}

void check_address(ObjectReader& in, const Cidr& cidr, std::size_t i, std::set<std::string>& seen) {
  const auto index = std::to_string(i);
  if (const auto reason = cidr.unusable_for_host(); !reason.empty())
    in.fail_in("addresses", index, "unusable", cidr.text() + " cannot be a host's address: " + std::string{reason});
  if (!seen.insert(cidr.address().text()).second) in.fail_in("addresses", index, "duplicate", cidr.address().text() + " is there twice");
}

// "auto" or an address.
void read_one_address(ObjectReader& in, const std::string& text, std::size_t i, NicSpec& nic, Seen& seen) {
  const auto index = std::to_string(i);
  if (text == "auto") {
    if (!nic.bridge) in.fail_in("addresses", index, "conflict", "\"auto\" takes a free address of the subnet of a bridge, and this interface is on none");
    if (nic.automatic) in.fail_in("addresses", index, "duplicate", "\"auto\" is there twice");
    nic.automatic = true;
    return;
  }
  const auto cidr = Cidr::parse(text);
  if (!cidr) return in.fail_in("addresses", index, "format", "\"" + text.substr(0, 80) + "\" is not an address with its prefix, such as 172.16.2.10/24, nor \"auto\"");
  check_address(in, *cidr, i, seen.addresses);
  if (nic.mtu != 0 && nic.mtu < 1280 && cidr->address().is_v6()) in.fail("mtu", "range", "IPv6 (" + cidr->text() + ") needs an mtu of at least 1280");
  nic.addresses.push_back(*cidr);
}

void check_gateway(ObjectReader& in, const NicSpec& nic) {
  const auto& gateway = *nic.gateway;
  const auto holder = std::find_if(nic.addresses.begin(), nic.addresses.end(), [&](const Cidr& c) { return c.contains(gateway); });
  if (holder == nic.addresses.end()) {
    if (!nic.automatic) in.fail("gateway", "unreachable", gateway.text() + " is in the subnet of none of the interface's addresses");
    return;
  }
  if (holder->address() == gateway)
    return in.fail("gateway", "unusable", gateway.text() + " is the interface's own address");
  if (const auto reason = Cidr{gateway, holder->prefix()}.unusable_for_host(); !reason.empty() && !gateway.is_v6())
    in.fail("gateway", "unusable", gateway.text() + " cannot be a host's address: " + std::string{reason});
}

void check_nic_mac(ObjectReader& in, const Mac& mac) {
  if (mac.multicast()) in.fail("mac", "multicast", mac.text() + " is a multicast address, an interface needs a unicast one");
  else if (mac.zero()) in.fail("mac", "unusable", "the MAC address of all zeros stands for none");
}

void check_name(ObjectReader& in, const std::string& name) {
  if (!valid_interface_name(name))
    in.fail("name", "format", "\"" + name + "\" cannot be an interface's name: 1 to 15 visible characters, none of / : %, not lo, . or ..");
}

void read_peer(ObjectReader& in, NicSpec& nic, Seen& seen) {
  in.object("peer", [&](ObjectReader& peer) {
    if (!nic.netns) return peer.fail("", "conflict", "is for an interface whose other end is in a netns");
    nic.peer.name = peer.string("name", 256).value_or("");
    if (peer.has("name")) check_name(peer, nic.peer.name);
    if (!nic.peer.name.empty() && !seen.peers.insert(*nic.netns + "/" + nic.peer.name).second)
      peer.fail("name", "duplicate", nic.peer.name + " is there twice in " + *nic.netns);
    nic.peer.addresses = peer.cidrs("addresses").value_or(std::vector<Cidr>{});
    for (std::size_t i = 0; i < nic.peer.addresses.size(); ++i) check_address(peer, nic.peer.addresses[i], i, seen.addresses);
  });
}

// Exactly one of bridge, netns and none says where its other end is.
void read_nic_end(ObjectReader& in, NicSpec& nic, Seen& seen) {
  nic.bridge = in.string("bridge", 256);
  nic.netns = in.string("netns", 256);
  const bool none = in.boolean("none").value_or(false);
  if (nic.bridge && !valid_name(*nic.bridge, 15))
    in.fail("bridge", "format", "\"" + *nic.bridge + "\" cannot be the name of a bridge: ^[a-z][a-z0-9-]{0,14}$");
  if (nic.netns && !valid_name(*nic.netns, 63))
    in.fail("netns", "format", "\"" + *nic.netns + "\" cannot be the name of a netns: ^[a-z][a-z0-9-]{0,62}$");
  if (nic.netns && nic.bridge) in.fail("netns", "conflict", "an interface is on a bridge, in a netns or on none: one of them");
  else if (none && (nic.netns || nic.bridge)) in.fail("none", "conflict", "an interface is on a bridge, in a netns or on none: one of them");
  if (!none && !nic.netns) in.require("bridge");
  read_peer(in, nic, seen);
  nic.rate = read_rate(in);
  nic.dhcp = in.boolean("dhcp").value_or(false);
  if (nic.dhcp && none) in.fail("dhcp", "conflict", "nobody answers on an interface that is on none");
}

void read_addresses(ObjectReader& in, NicSpec& nic, Seen& seen) {
  const auto texts = in.strings("addresses", most_addresses).value_or(std::vector<std::string>{});
  for (std::size_t i = 0; i < texts.size(); ++i) read_one_address(in, texts[i], i, nic, seen);
  nic.gateway = in.address("gateway");
  if (nic.gateway) check_gateway(in, nic);
  if (nic.dhcp && (nic.automatic || has_v4(nic.addresses)))
    in.fail("dhcp", "conflict", "an interface with an IPv4 address of its own gets none by DHCP");
  nic.publish = read_publish(in);
  if (nic.publish.empty()) return;
  if (!nic.bridge) in.fail("publish", "conflict", "a port of the host leads to an interface on a bridge only");
  else if (nic.addresses.empty() && !nic.automatic) in.fail("publish", "conflict", "a published port needs an address of the interface to lead to");
}

NicSpec read_nic(ObjectReader& in, std::size_t index, Seen& seen) {
  NicSpec nic;
  nic.name = in.string("name", 256).value_or("eth" + std::to_string(index));
  check_name(in, nic.name);
  read_nic_end(in, nic, seen);
  nic.mac = in.mac("mac");
  if (nic.mac) check_nic_mac(in, *nic.mac);
  nic.mtu = static_cast<unsigned>(in.integer("mtu", 0, 65535).value_or(0));
  if (nic.mtu != 0 && nic.mtu < 68) in.fail("mtu", "range", "must be from 68 to 65535, or 0 for the bridge's");
  read_addresses(in, nic, seen);
  return nic;
}

Json texts_of(const std::vector<Cidr>& addresses, bool automatic) {
  Json texts = Json::array();
  if (automatic) texts.push_back("auto");
  for (const Cidr& cidr : addresses) texts.push_back(cidr.text());
  return texts;
}

Json write_nic(const NicSpec& nic) {
  Json peer = nullptr;
  if (nic.netns) peer = {{"name", nic.peer.name.empty() ? Json() : Json(nic.peer.name)}, {"addresses", texts_of(nic.peer.addresses, false)}};
  return {{"name", nic.name},
          {"bridge", nic.bridge ? Json(*nic.bridge) : Json(nullptr)},
          {"netns", nic.netns ? Json(*nic.netns) : Json(nullptr)},
          {"none", !nic.bridge && !nic.netns},
          {"peer", std::move(peer)},
          {"mac", nic.mac ? Json(nic.mac->text()) : Json(nullptr)},
          {"addresses", texts_of(nic.addresses, nic.automatic)},
          {"gateway", nic.gateway ? Json(nic.gateway->text()) : Json(nullptr)},
          {"mtu", nic.mtu},
          {"dhcp", nic.dhcp},
          {"rate", write_rate(nic.rate)},
          {"publish", write_publish(nic.publish)}};
}

}  // namespace

std::vector<NicSpec> read_nics(ObjectReader& in) {
  std::vector<NicSpec> nics;
  Seen seen;
  in.objects("nics", most_nics, [&](ObjectReader& nic, std::size_t index) {
    nics.push_back(read_nic(nic, index, seen));
    const auto& last = nics.back();
    if (!seen.names.insert(last.name).second) nic.fail("name", "duplicate", last.name + " is there twice");
    for (const PublishSpec& one : last.publish)
      if (std::string port = (one.udp ? "udp " : "tcp ") + std::to_string(one.host_port); !seen.published.insert(port).second)
        nic.fail("publish", "duplicate", port + " is published twice");
    if (last.mac && !seen.macs.insert(last.mac->text()).second) nic.fail("mac", "duplicate", last.mac->text() + " is there twice");
  });
  return nics;
}

Json write_nics(const std::vector<NicSpec>& nics) {
  Json list = Json::array();
  for (const NicSpec& nic : nics) list.push_back(write_nic(nic));
  return list;
}

}  // namespace sovirt
