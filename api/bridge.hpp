#pragma once
#include <optional>
#include <vector>

#include "api/cidr.hpp"
#include "api/json.hpp"
#include "api/mac.hpp"

namespace sovirt {

enum class Policy { repair, observe };

struct BridgeSpec {
  std::vector<Cidr> addresses;
  unsigned mtu = 1500;          // bytes, 68..65535
  std::optional<Mac> mac;       // unicast; generated and kept when absent
  bool stp = false;
  Policy policy = Policy::repair;
};

// Throws Error{invalid} with every wrong field. Addresses must be usable by a host, and not overlap each other.
BridgeSpec read_bridge_spec(const Json&);
Json write_bridge_spec(const BridgeSpec&);  // every field, defaults included; absent optionals as null

}  // namespace sovirt
