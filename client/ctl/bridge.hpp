#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/json.hpp"

namespace sovirt::ctl {

struct BridgeOptions {
  std::string name;
  std::vector<std::string> addresses, labels, ports;
  std::optional<std::string> mtu, mac, stp, policy, nat, isolation, address_from;
  std::optional<std::string> dhcp, dhcp_range, lease_time, dns, domain, confirm_within;
  bool only_new = false, no_addresses = false, no_ports = false;
};

Json bridge_body(const BridgeOptions&);     // for PUT
Json bridge_changes(const BridgeOptions&);  // for PATCH: only what was named

}  // namespace sovirt::ctl
