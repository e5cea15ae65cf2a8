#include "daemon/domain/device_rules.hpp"

namespace sovirt {

std::vector<DeviceRule> default_device_rules() {
  std::vector<DeviceRule> rules{{'c', std::nullopt, std::nullopt, "m", false}, {'b', std::nullopt, std::nullopt, "m", false}};
  struct Usual { std::uint32_t major; std::optional<std::uint32_t> minor; };
  // null, zero, full, random, urandom, tty, console, ptmx, and the terminals of devpts.
  for (const Usual& one : {Usual{1, 3}, Usual{1, 5}, Usual{1, 7}, Usual{1, 8}, Usual{1, 9}, Usual{5, 0}, Usual{5, 1}, Usual{5, 2}, Usual{136, std::nullopt}})
    rules.push_back({'c', one.major, one.minor, "rwm", false});
  return rules;
}

std::vector<DeviceRule> device_rules(bool privileged, const std::vector<DeviceSpec>& devices, const std::vector<DeviceNode>& nodes) {
  if (privileged) return {};
  std::vector<DeviceRule> rules = default_device_rules();
  for (std::size_t i = 0; i < devices.size(); ++i) rules.push_back({nodes[i].type[0], nodes[i].major, nodes[i].minor, devices[i].access, true});
  return rules;
}

}  // namespace sovirt
