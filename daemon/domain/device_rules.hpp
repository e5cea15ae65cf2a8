#pragma once
#include <optional>
#include <vector>

#include "api/container_parts.hpp"
#include "daemon/domain/ports/cgroup_tree.hpp"
#include "daemon/domain/ports/live_changes.hpp"

namespace sovirt {

// What every container may open: the devices that launch gives it, and its terminals. It may make any node (an archive
// may hold some), which gives it nothing to open.
std::vector<DeviceRule> default_device_rules();

// Of a container with these devices; empty: every device, for one that is privileged.
std::vector<DeviceRule> device_rules(bool privileged, const std::vector<DeviceSpec>&, const std::vector<DeviceNode>&);

}  // namespace sovirt
