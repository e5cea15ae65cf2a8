#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/json.hpp"

namespace sovirt::ctl {

struct BridgeOptions {
  std::string name;
  std::vector<std::string> addresses, labels;
  std::optional<std::string> mtu, mac, stp, policy;
  bool only_new = false, no_addresses = false;
};

Json bridge_body(const BridgeOptions&);     // for PUT
Json bridge_changes(const BridgeOptions&);  // for PATCH: only what was named

}  // namespace sovirt::ctl
