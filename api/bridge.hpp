#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "api/cidr.hpp"
#include "api/json.hpp"
#include "api/mac.hpp"

namespace sovirt {

enum class Policy { repair, observe };
// Where a bridge's addresses come from beside its spec: nowhere, a DHCP server, or the NIC it takes as a port.
enum class AddressFrom { fixed, dhcp, port };

struct BridgeDhcp {
  bool enabled = false;
  std::optional<IpAddress> first, last;        // IPv4, of one of the bridge's subnets; both or neither
  std::chrono::seconds lease_time{3600};       // 120..31536000
};

struct BridgeDns {
  bool enabled = false;
  std::string domain = "sovirt";               // containers are NAME.DOMAIN
};

struct BridgeSpec {
  std::vector<Cidr> addresses;
  unsigned mtu = 1500;          // bytes, 68..65535
  std::optional<Mac> mac;       // unicast; generated and kept when absent
  bool stp = false;
  std::vector<std::string> ports;              // interfaces of the host
  AddressFrom address_from = AddressFrom::fixed;
  bool nat = false;
  BridgeDhcp dhcp;
  BridgeDns dns;
  bool isolation = false;
  Policy policy = Policy::repair;
};

// Throws Error{invalid} with every wrong field. Addresses must be usable by a host, and not overlap each other.
BridgeSpec read_bridge_spec(const Json&);
Json write_bridge_spec(const BridgeSpec&);  // every field, defaults included; absent optionals as null

}  // namespace sovirt
