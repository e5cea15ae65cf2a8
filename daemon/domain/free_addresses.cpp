#include "daemon/domain/free_addresses.hpp"

#include <array>
#include <set>

#include "api/bridge.hpp"

namespace sovirt {
namespace {

constexpr int most_tries = 1 << 16;   // of an IPv6 subnet nobody can look at every address

IpAddress next(const IpAddress& address) {
  std::array<std::uint8_t, 16> bytes{};
  for (unsigned i = 0; i < address.size(); ++i) bytes[i] = address.bytes()[i];
  for (unsigned i = address.size(); i-- > 0;)
    if (++bytes[i] != 0) break;
  if (address.is_v6()) return IpAddress::v6(bytes);
  return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

// What a bridge hands out by DHCP is not ours to fix.
bool in_dhcp_range(const Json& bridge, const IpAddress& address) {
  const auto dhcp = bridge.find("dhcp");
  if (dhcp == bridge.end() || !dhcp->is_object() || !dhcp->value("enabled", false)) return false;
  const auto range = dhcp->find("range");
  if (range == dhcp->end() || !range->is_array() || range->size() != 2) return false;
  const auto first = IpAddress::parse(range->at(0).get<std::string>()), last = IpAddress::parse(range->at(1).get<std::string>());
  return first && last && first->is_v6() == address.is_v6() && *first <= address && address <= *last;
}

}  // namespace

// Beginning again at the start of the subnet where its end is reached.
Cidr free_address(const Cidr& from, const NicSpec& nic, const Catalog& catalog, const std::set<std::string>& taken) {
  const EntryPtr bridge = nic.bridge ? catalog.find(Kind::bridge, *nic.bridge) : nullptr;
  IpAddress at = from.address();
  for (int tries = 0; tries < most_tries; ++tries) {
    at = next(at);
    if (!from.contains(at)) at = from.network();
    if (at == from.address()) break;
    const Cidr candidate{at, from.prefix()};
    const std::string text = at.text();
    if (!candidate.unusable_for_host().empty() || (nic.gateway && *nic.gateway == at) || taken.contains(text)) continue;
    if (catalog.holder({"address", text}) || (bridge && in_dhcp_range(bridge->resource.spec, at))) continue;
    return candidate;
  }
  throw Error{Code::duplicate, "no address of " + Cidr{from.network(), from.prefix()}.text() + " is free"}.with_hint(
      "take addresses of another subnet, or give the bridge a larger one");
}

void take_free_addresses(ContainerSpec& spec, const Catalog& catalog) {
  std::set<std::string> taken;
  for (NicSpec& nic : spec.nics) {
    nic.mac.reset();
    nic.publish.clear();   // a port of the host: which other one clients should be told of, nobody can guess
    for (Cidr& address : nic.addresses) {
      address = free_address(address, nic, catalog, taken);
      taken.insert(address.address().text());
    }
  }
}

}  // namespace sovirt
