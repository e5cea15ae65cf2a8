#include "daemon/domain/name_service.hpp"

#include <algorithm>
#include <array>
#include <sstream>

#include "daemon/domain/ids.hpp"

namespace sovirt {
namespace {

constexpr std::string_view key_prefix = "dnsmasq-";

IpAddress offset(const IpAddress& base, std::uint32_t by) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) value = value << 8 | base.bytes()[i];
  value += by;
  return IpAddress::v4({static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
                        static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)});
}

const Cidr* served_subnet(const BridgeSpec& spec) {
  for (const Cidr& cidr : spec.addresses)
    if (!cidr.address().is_v6() && (!spec.dhcp.first || cidr.contains(*spec.dhcp.first))) return &cidr;
  return nullptr;
}

std::string netmask(unsigned prefix) {
  const std::uint32_t bits = prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
  return IpAddress::v4({static_cast<std::uint8_t>(bits >> 24), static_cast<std::uint8_t>(bits >> 16), static_cast<std::uint8_t>(bits >> 8),
                        static_cast<std::uint8_t>(bits)}).text();
}

// Without a range: all of the subnet that a host may have. dnsmasq leaves its own address out by itself.
std::string range_line(const BridgeSpec& spec, const Cidr& subnet) {
  const std::uint32_t size = std::uint32_t{1} << (32 - subnet.prefix());
  const IpAddress first = spec.dhcp.first.value_or(offset(subnet.network(), 1));
  const IpAddress last = spec.dhcp.last.value_or(offset(subnet.network(), size - 2));
  return "dhcp-range=" + first.text() + "," + last.text() + "," + netmask(subnet.prefix()) + "," + std::to_string(spec.dhcp.lease_time.count()) + "\n";
}

std::string configuration(const Resource& bridge, const BridgeSpec& spec) {
  std::string text = "# bridge " + bridge.name + ", written by sovirtd\ninterface=" + bridge.name +
                     "\nexcept-interface=lo\nbind-dynamic\nno-hosts\nlog-facility=-\npid-file\n";
  text += spec.dns.enabled ? "addn-hosts={dir}/names\nlocal=/" + spec.dns.domain + "/\n" : "port=0\n";
  text += "domain=" + spec.dns.domain + "\n";
  if (!spec.dhcp.enabled) return text;
  const Cidr* const subnet = served_subnet(spec);
  if (subnet == nullptr) return text;
  text += range_line(spec, *subnet) + "dhcp-authoritative\ndhcp-leasefile={dir}/leases\ndhcp-hostsfile={dir}/reservations\ndhcp-lease-max=65536\n";
  // Nobody but sovirt puts anything on a bridge without a host's NIC: no need to ping an address before it is leased.
  if (spec.ports.empty()) text += "no-ping\n";
  return text;
}

}  // namespace

std::string name_service_key(std::string_view bridge_uid) { return std::string{key_prefix} + std::string{bridge_uid}; }

std::optional<HelperSpec> name_service_of(const Resource& bridge, const std::vector<Neighbour>& neighbours) {
  const BridgeSpec spec = read_bridge_spec(bridge.spec);
  if (!spec.dhcp.enabled && !spec.dns.enabled) return std::nullopt;
  HelperSpec helper;
  helper.key = name_service_key(bridge.uid);
  helper.program = "dnsmasq";
  helper.arguments = {"--keep-in-foreground", "--conf-file={dir}/dnsmasq.conf"};
  helper.files = {{"dnsmasq.conf", configuration(bridge, spec)}};
  helper.data = {{reservations_file, reservations_of(spec, neighbours)}, {names_file, names_of(spec, neighbours)}};
  return helper;
}

std::string reservations_of(const BridgeSpec& spec, const std::vector<Neighbour>& neighbours) {
  const Cidr* const subnet = served_subnet(spec);
  std::string text;
  for (const Neighbour& one : neighbours) {
    const auto fixed = std::find_if(one.addresses.begin(), one.addresses.end(), [&](const Cidr& cidr) { return subnet && subnet->contains(cidr.address()); });
    text += one.mac + (fixed == one.addresses.end() ? "" : "," + fixed->address().text()) + "," + one.name + "\n";
  }
  return text;
}

std::string names_of(const BridgeSpec& spec, const std::vector<Neighbour>& neighbours) {
  std::string text;
  for (const Neighbour& one : neighbours)
    for (const Cidr& cidr : one.addresses) text += cidr.address().text() + " " + one.name + "." + spec.dns.domain + " " + one.name + "\n";
  return text;
}

// A line each: "1700000000 4a:49:43:49:79:bf 172.16.2.10 web 01:4a:…", "*" for no name; the part on DHCPv6 is not used.
std::vector<Lease> read_leases(const std::string& text) {
  std::vector<Lease> leases;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Lease lease;
    if (!(words >> lease.expires_at >> lease.mac >> lease.address >> lease.name)) continue;
    if (!IpAddress::parse(lease.address) || !Mac::parse(lease.mac)) continue;
    if (lease.name == "*") lease.name.clear();
    leases.push_back(std::move(lease));
  }
  return leases;
}

}  // namespace sovirt
