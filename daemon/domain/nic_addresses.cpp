#include "daemon/domain/nic_addresses.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "api/bridge.hpp"
#include "daemon/domain/free_addresses.hpp"
#include "daemon/domain/nic.hpp"

namespace sovirt {
namespace {

constexpr int most_candidates = 8;   // that somebody on the wire has; each costs a moment

const NicSpec* named(const std::vector<NicSpec>& nics, const std::string& name) {
  const auto found = std::find_if(nics.begin(), nics.end(), [&](const NicSpec& nic) { return nic.name == name; });
  return found == nics.end() ? nullptr : &*found;
}

// "10.0.0.1:80", "[::]:80", "*:80"
bool on_port(const std::string& local, std::uint16_t port) {
  const auto colon = local.rfind(':');
  return colon != std::string::npos && local.substr(colon + 1) == std::to_string(port);
}

bool is_auto(const Json& nic) {
  const auto addresses = nic.is_object() ? nic.find("addresses") : nic.end();
  return nic.is_object() && addresses != nic.end() && addresses->is_array() && std::find(addresses->begin(), addresses->end(), "auto") != addresses->end();
}

}  // namespace

std::vector<std::string> NicAddresses::lock_keys(const Json& spec) const {
  std::vector<std::string> keys;
  const auto nics = spec.find("nics");
  if (nics == spec.end() || !nics->is_array()) return keys;
  for (const Json& nic : *nics)
    if (is_auto(nic) && keys.empty()) keys.push_back("addresses");
  return keys;
}

// Only where somebody can be there whom the address book does not know: behind a port that sovirt has not made.
bool NicAddresses::strangers_on(const std::string& bridge) const {
  const auto link = kernel_.network.find_link(bridge);
  if (!link || !link->up) return false;
  const auto ports = kernel_.network.ports(link->ifindex);
  return std::any_of(ports.begin(), ports.end(), [](const LinkState& port) { return port.mark.empty(); });
}

Cidr NicAddresses::choose(const NicSpec& nic, const std::string& at, std::set<std::string>& taken) const {
  const Resource& bridge = catalog_.need(Kind::bridge, nic.bridge.value_or(""))->resource;
  const BridgeSpec spec = read_bridge_spec(bridge.spec);
  if (spec.addresses.empty())
    throw field_error(at, "conflict", "bridge " + bridge.name + " has no address, so there is no subnet to take one of");
  const auto v4 = std::find_if(spec.addresses.begin(), spec.addresses.end(), [](const Cidr& cidr) { return !cidr.address().is_v6(); });
  const Cidr& subnet = v4 != spec.addresses.end() ? *v4 : spec.addresses.front();
  for (const Json& lease : services_.leases(bridge)) taken.insert(lease.at("address").get<std::string>());
  const bool strangers = strangers_on(bridge.name);
  Cidr candidate = free_address(subnet, nic, catalog_, taken);
  for (int tries = 0; strangers && tries < most_candidates; ++tries) {
    taken.insert(candidate.address().text());
    if (!kernel_.netns.prober.holder_of(bridge.name, {candidate.address()})) return candidate;
    candidate = free_address(candidate, nic, catalog_, taken);
  }
  taken.insert(candidate.address().text());
  return candidate;
}

void NicAddresses::decide(Resource& wanted, const Resource* before) const {
  const ContainerSpec spec = read_container_spec(wanted.spec);
  const ContainerSpec old = before && before->spec.is_object() ? read_container_spec(before->spec) : ContainerSpec{};
  Json decided = Json::object();
  std::set<std::string> taken;
  for (const NicSpec& nic : spec.nics)
    for (const Cidr& cidr : nic.addresses) taken.insert(cidr.address().text());
  for (std::size_t index = 0; index < spec.nics.size(); ++index) {
    const NicSpec& nic = spec.nics[index];
    if (!nic.automatic) continue;
    const NicSpec* was = named(old.nics, nic.name);
    if (was && was->automatic && was->bridge == nic.bridge && before->facts.contains("auto") && before->facts.at("auto").contains(nic.name)) {
      const Json& kept = before->facts.at("auto").at(nic.name);
      const auto address = Cidr::parse(kept.get<std::string>());
      const BridgeSpec bridge = read_bridge_spec(catalog_.need(Kind::bridge, *nic.bridge)->resource.spec);
      const bool fits = address && std::any_of(bridge.addresses.begin(), bridge.addresses.end(), [&](const Cidr& cidr) {
                          return cidr.contains(address->address()) && cidr.prefix() == address->prefix();
                        });
      if (fits) {
        decided[nic.name] = kept;
        continue;
      }
    }
    decided[nic.name] = choose(nic, "/nics/" + std::to_string(index) + "/addresses", taken).text();
  }
  wanted.facts.erase("auto");
  if (!decided.empty()) wanted.facts["auto"] = std::move(decided);
}

void NicAddresses::check(const Resource& wanted, const Entry* before) const {
  const ContainerSpec spec = container_spec_of(wanted);
  const ContainerSpec old = before ? container_spec_of(before->resource) : ContainerSpec{};
  if (before && old.nics == spec.nics) return;
  std::optional<std::vector<SocketState>> sockets;
  for (std::size_t index = 0; index < spec.nics.size(); ++index) {
    const NicSpec& nic = spec.nics[index];
    const NicSpec* was = named(old.nics, nic.name);
    const std::string at = "/nics/" + std::to_string(index);
    if (nic.automatic && nic.gateway && std::none_of(nic.addresses.begin(), nic.addresses.end(), [&](const Cidr& cidr) { return cidr.contains(*nic.gateway); }))
      throw field_error(at + "/gateway", "unreachable", nic.gateway->text() + " is in the subnet of none of the interface's addresses");
    for (std::size_t i = 0; i < nic.publish.size(); ++i) {
      const auto had = [&](const NicSpec& one) { return std::find(one.publish.begin(), one.publish.end(), nic.publish[i]) != one.publish.end(); };
      if (std::any_of(old.nics.begin(), old.nics.end(), had)) continue;
      if (!sockets) sockets = kernel_.netns.inside.sockets(-1);
      check_port(nic.publish[i], at + "/publish/" + std::to_string(i) + "/host_port", *sockets);
    }
    if (nic.bridge) check_wire(wanted, nic, index, was && was->bridge == nic.bridge ? was : nullptr);
  }
}

// Whom the address book knows, by its MAC, is a matter between objects of sovirt: their claims have been compared.
void NicAddresses::check_wire(const Resource& wanted, const NicSpec& nic, std::size_t index, const NicSpec* old) const {
  std::vector<IpAddress> fresh;
  for (const Cidr& cidr : nic.addresses) {
    const bool decided = nic.automatic && &cidr == &nic.addresses.front();
    if (!decided && (!old || std::find(old->addresses.begin(), old->addresses.end(), cidr) == old->addresses.end())) fresh.push_back(cidr.address());
  }
  if (fresh.empty() || !strangers_on(*nic.bridge)) return;
  const auto holder = kernel_.netns.prober.holder_of(*nic.bridge, fresh);
  if (!holder || catalog_.holder({"mac", holder->mac.text()})) return;
  const std::string detail = "address " + holder->address.text() + " of " + nic.name + " of " + wanted.name + " is in use on bridge " + *nic.bridge +
                             ": " + holder->mac.text() + " answers for it";
  throw Error{Code::duplicate, detail}
      .with_fields({{"/nics/" + std::to_string(index) + "/addresses", "in-use", holder->mac.text() + " answers for " + holder->address.text()}})
      .with_conflicts({"host/" + holder->mac.text()})
      .with_hint("choose another address, or \"auto\" for a free one");
}

void NicAddresses::check_port(const PublishSpec& wanted, const std::string& pointer, const std::vector<SocketState>& sockets) const {
  const std::string protocol = wanted.udp ? "udp" : "tcp";
  for (const SocketState& one : sockets) {
    if (!one.protocol.starts_with(protocol) || one.state == "established" || (!wanted.udp && one.state != "listen")) continue;
    if (!on_port(one.local, wanted.host_port)) continue;
    const std::string who = one.process ? one.process->second + " (process " + std::to_string(one.process->first) + ")" : "a socket of the kernel or of another user";
    throw Error{Code::conflict, protocol + " port " + std::to_string(wanted.host_port) + " of the host is in use: " + who + " listens on " + one.local}
        .with_fields({{pointer, "in-use", who + " listens on " + one.local}})
        .with_conflicts({one.process ? "process/" + std::to_string(one.process->first) : "socket/" + one.local})
        .with_hint("publish another port, or stop " + (one.process ? one.process->second : std::string{"what listens there"}) + " first");
  }
}

}  // namespace sovirt
