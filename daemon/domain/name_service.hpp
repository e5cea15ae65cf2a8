#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/bridge.hpp"
#include "api/json.hpp"
#include "api/resource.hpp"
#include "daemon/domain/ports/helpers.hpp"

namespace sovirt {

// What dnsmasq is to know of one interface on a bridge.
struct Neighbour {
  std::string name;               // of the container, a DNS label
  std::string mac;
  std::vector<Cidr> addresses;    // fixed ones; none: leased
};

// A lease as dnsmasq keeps it.
struct Lease {
  std::string address, mac, name; // name: "" if the client gave none
  std::int64_t expires_at = 0;    // seconds since 1970, 0: never
};

// DHCP and DNS of a bridge by a dnsmasq of its own; see dnsmasq(8). nullopt: the spec asks for neither.
std::optional<HelperSpec> name_service_of(const Resource& bridge, const std::vector<Neighbour>&);
std::string name_service_key(std::string_view bridge_uid);
constexpr const char* reservations_file = "reservations";   // a fixed address is leased to nobody else
constexpr const char* names_file = "names";
std::string reservations_of(const BridgeSpec&, const std::vector<Neighbour>&);
std::string names_of(const BridgeSpec&, const std::vector<Neighbour>&);
std::vector<Lease> read_leases(const std::string& text);

}  // namespace sovirt
