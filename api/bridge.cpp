#include "api/bridge.hpp"

#include <nlohmann/json.hpp>

#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr unsigned least_mtu = 68, least_mtu_v6 = 1280, most_mtu = 65535;  // RFC 791, RFC 8200

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

void later_fields(ObjectReader& in) {
  in.not_yet("ports", Json::array());
  in.not_yet("address_from", "static");
  in.not_yet("nat", false);
  in.not_yet("dhcp", {{"enabled", false}, {"range", nullptr}, {"lease_time", 3600}});
  in.not_yet("dns", {{"enabled", false}, {"domain", "sovirt"}});
  in.not_yet("isolation", false);
}

}  // namespace

BridgeSpec read_bridge_spec(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  BridgeSpec spec;
  spec.addresses = in.cidrs("addresses").value_or(std::vector<Cidr>{});
  check_addresses(spec.addresses, errors);
  spec.mtu = static_cast<unsigned>(in.integer("mtu", least_mtu, most_mtu).value_or(spec.mtu));
  if (spec.mtu < least_mtu_v6)
    for (const auto& cidr : spec.addresses)
      if (cidr.address().is_v6()) {
        in.fail("mtu", "range", "IPv6 (" + cidr.text() + ") needs an mtu of at least 1280");
        break;
      }
  spec.mac = in.mac("mac");
  if (spec.mac) check_mac(in, *spec.mac);
  spec.stp = in.boolean("stp").value_or(spec.stp);
  spec.policy = in.choice("policy", {"repair", "observe"}).value_or(0) == 1 ? Policy::observe : Policy::repair;
  later_fields(in);
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
          {"policy", spec.policy == Policy::observe ? "observe" : "repair"}};
}

}  // namespace sovirt
