#include "api/bridge.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "api/names.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr unsigned least_mtu = 68, least_mtu_v6 = 1280, most_mtu = 65535;  // RFC 791, RFC 8200
constexpr std::size_t most_ports = 64;
constexpr std::int64_t least_lease = 120, most_lease = 31'536'000;          // seconds; dnsmasq has no shorter ones

void check_against(const std::vector<Cidr>& earlier, const Cidr& cidr, const std::string& pointer, std::vector<FieldError>& errors) {
  for (const auto& other : earlier) {
    if (other.address() == cidr.address()) return errors.push_back({pointer, "duplicate", cidr.address().text() + " is there twice"});
    // Two addresses in one subnet are usual; two subnets of which one lies within the other make routes ambiguous.
    if (other.overlaps(cidr) && other.prefix() != cidr.prefix())
      return errors.push_back({pointer, "overlap", "the subnet of " + cidr.text() + " overlaps that of " + other.text()});
  }
}

void check_addresses(const std::vector<Cidr>& addresses, std::vector<FieldError>& errors) {
  std::vector<Cidr> earlier;
  for (const auto& cidr : addresses) {
    const auto pointer = "/addresses/" + std::to_string(earlier.size());
    if (const auto reason = cidr.unusable_for_host(); !reason.empty())
      errors.push_back({pointer, "unusable", cidr.text() + " cannot be a host's address: " + std::string{reason}});
    check_against(earlier, cidr, pointer, errors);
    earlier.push_back(cidr);
  }
}

void check_mac(ObjectReader& in, const Mac& mac) {
  if (mac.multicast()) in.fail("mac", "multicast", mac.text() + " is a multicast address, an interface needs a unicast one");
  else if (mac.zero()) in.fail("mac", "unusable", "the MAC address of all zeros stands for none");
}

void read_mtu(ObjectReader& in, BridgeSpec& spec) {
  spec.mtu = static_cast<unsigned>(in.integer("mtu", least_mtu, most_mtu).value_or(spec.mtu));
  const auto v6 = std::find_if(spec.addresses.begin(), spec.addresses.end(), [](const Cidr& cidr) { return cidr.address().is_v6(); });
  if (spec.mtu < least_mtu_v6 && v6 != spec.addresses.end())
    in.fail("mtu", "range", "IPv6 (" + v6->text() + ") needs an mtu of at least 1280");
}

void read_ports(ObjectReader& in, BridgeSpec& spec) {
  spec.ports = in.strings("ports", most_ports, 256).value_or(std::vector<std::string>{});
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    const auto index = std::to_string(i);
    const auto& name = spec.ports[i];
    if (!valid_interface_name(name))
      in.fail_in("ports", index, "format", "\"" + name + "\" cannot be a port: 1 to 15 visible characters, none of / : %, not lo, . or ..");
    const auto end = spec.ports.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(spec.ports.begin(), end, name) != end) in.fail_in("ports", index, "duplicate", name + " is there twice");
  }
  constexpr AddressFrom values[] = {AddressFrom::fixed, AddressFrom::dhcp, AddressFrom::port};
  spec.address_from = values[in.choice("address_from", {"static", "dhcp", "port"}).value_or(0)];
  if (spec.address_from == AddressFrom::port && spec.ports.empty()) in.fail("address_from", "conflict", "there is no port to take addresses from");
}

// The subnet that addresses are leased from: that of the range, or the first IPv4 one.
const Cidr* served(const BridgeSpec& spec) {
  for (const Cidr& cidr : spec.addresses)
    if (!cidr.address().is_v6() && (!spec.dhcp.first || cidr.contains(*spec.dhcp.first))) return &cidr;
  return nullptr;
}

void read_range(ObjectReader& in, BridgeDhcp& dhcp) {
  const auto range = in.strings("range", 64, 64);
  if (!range) return;
  if (range->size() != 2) return in.fail("range", "format", "must be two addresses, the first and the last");
  for (std::size_t i = 0; i < 2; ++i) {
    const auto address = IpAddress::parse((*range)[i]);
    if (!address || address->is_v6()) in.fail_in("range", std::to_string(i), "format", "\"" + (*range)[i] + "\" is not an IPv4 address");
    else (i == 0 ? dhcp.first : dhcp.last) = address;
  }
  if (!dhcp.first || !dhcp.last) dhcp.first = dhcp.last = std::nullopt;
  else if (*dhcp.last < *dhcp.first) in.fail("range", "range", "its first address lies behind its last one");
}

void check_range(ObjectReader& in, const BridgeSpec& spec) {
  if (!spec.dhcp.enabled && !spec.dhcp.first) return;
  const Cidr* const subnet = served(spec);
  const auto outside = [&](const IpAddress& address) { return subnet == nullptr || !subnet->contains(address); };
  if (spec.dhcp.first && (outside(*spec.dhcp.first) || outside(*spec.dhcp.last)))
    return in.fail("range", "range", spec.dhcp.first->text() + " to " + spec.dhcp.last->text() + " is not within the subnet of one of the bridge's addresses");
  if (subnet == nullptr) return in.fail("enabled", "conflict", "leases need an IPv4 address of the bridge to lease from");
  if (subnet->prefix() > 30) return in.fail("enabled", "conflict", subnet->text() + " leaves no address to lease");
  for (const auto& address : {spec.dhcp.first, spec.dhcp.last})
    if (address)
      if (const auto reason = Cidr{*address, subnet->prefix()}.unusable_for_host(); !reason.empty())
        in.fail("range", "unusable", address->text() + " cannot be a host's address: " + std::string{reason});
  if (spec.dhcp.first && *spec.dhcp.first == *spec.dhcp.last && *spec.dhcp.first == subnet->address())
    in.fail("range", "range", "holds nothing but the bridge's own address");
}

void read_services(ObjectReader& in, BridgeSpec& spec) {
  spec.nat = in.boolean("nat").value_or(false);
  spec.isolation = in.boolean("isolation").value_or(false);
  in.object("dhcp", [&](ObjectReader& dhcp) {
    spec.dhcp.enabled = dhcp.boolean("enabled").value_or(false);
    spec.dhcp.lease_time = std::chrono::seconds{dhcp.integer("lease_time", least_lease, most_lease).value_or(3600)};
    read_range(dhcp, spec.dhcp);
    check_range(dhcp, spec);
    if (spec.dhcp.enabled && spec.address_from == AddressFrom::dhcp)
      dhcp.fail("enabled", "conflict", "a bridge that is a DHCP client cannot be a DHCP server");
  });
  in.object("dns", [&](ObjectReader& dns) {
    spec.dns.enabled = dns.boolean("enabled").value_or(false);
    if (const auto domain = dns.string("domain", 253)) spec.dns.domain = *domain;
    if (!valid_domain(spec.dns.domain)) dns.fail("domain", "format", "\"" + spec.dns.domain.substr(0, 80) + "\" is not a domain name (RFC 1123)");
    if (spec.dns.enabled && spec.addresses.empty()) dns.fail("enabled", "conflict", "name service needs an address of the bridge to answer at");
  });
}

const char* address_from_text(AddressFrom from) noexcept {
  switch (from) {
    case AddressFrom::fixed: return "static";
    case AddressFrom::dhcp: return "dhcp";
    case AddressFrom::port: return "port";
  }
  return "static";
}

Json write_dhcp(const BridgeDhcp& dhcp) {
  Json range = nullptr;
  if (dhcp.first) range = Json::array({dhcp.first->text(), dhcp.last->text()});
  return {{"enabled", dhcp.enabled}, {"range", std::move(range)}, {"lease_time", dhcp.lease_time.count()}};
}

}  // namespace

BridgeSpec read_bridge_spec(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  BridgeSpec spec;
  spec.addresses = in.cidrs("addresses").value_or(std::vector<Cidr>{});
  check_addresses(spec.addresses, errors);
  read_mtu(in, spec);
  spec.mac = in.mac("mac");
  if (spec.mac) check_mac(in, *spec.mac);
  spec.stp = in.boolean("stp").value_or(spec.stp);
  read_ports(in, spec);
  read_services(in, spec);
  spec.policy = in.choice("policy", {"repair", "observe"}).value_or(0) == 1 ? Policy::observe : Policy::repair;
  in.finish();
  throw_if_any(std::move(errors));
  return spec;
}

Json write_bridge_spec(const BridgeSpec& spec) {
  Json addresses = Json::array();
  for (const auto& cidr : spec.addresses) addresses.push_back(cidr.text());
  return {{"addresses", std::move(addresses)},
          {"mtu", spec.mtu},
          {"mac", spec.mac ? Json(spec.mac->text()) : Json(nullptr)},
          {"stp", spec.stp},
          {"ports", spec.ports},
          {"address_from", address_from_text(spec.address_from)},
          {"nat", spec.nat},
          {"dhcp", write_dhcp(spec.dhcp)},
          {"dns", {{"enabled", spec.dns.enabled}, {"domain", spec.dns.domain}}},
          {"isolation", spec.isolation},
          {"policy", spec.policy == Policy::observe ? "observe" : "repair"}};
}

}  // namespace sovirt
