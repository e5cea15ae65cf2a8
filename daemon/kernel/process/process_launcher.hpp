#pragma once
#include <memory>
#include <string>
#include <vector>

#include "daemon/domain/ports/cgroup_tree.hpp"
#include "daemon/domain/ports/launcher.hpp"

namespace sovirt {

struct LauncherOptions {
  std::string program;      // path of sovirt-launch
  std::string directory;    // RUN/containers; made if absent, for root alone
  std::string boot_id;      // what was launched under another one is unknown to report()
  CgroupTree& cgroups;
  // Keep one sovirt-launch started ahead, in a group "spare.*" that is renamed when it is used: placing a process in
  // a v1 group takes up to 10 ms. It dies with this object or its process.
  bool spare = true;
  std::vector<DeviceRule> usual_devices{};   // of a container whose launch says nothing of them; empty: all
};

// Groups of its own in the tree: this one, with all monitors, and "spare.*".
inline constexpr const char* monitors_group = "monitors";

// Containers as processes by way of sovirt-launch. Destroying it leaves running containers alone.
std::unique_ptr<Launcher> make_launcher(LauncherOptions);

}  // namespace sovirt
