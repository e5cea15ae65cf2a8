#pragma once
#include <string>
#include <vector>

namespace sovirt::launch {

// The cgroup hierarchies of this host as a container shall see them below /sys/fs/cgroup.
struct CgroupHierarchy {
  std::string folder;                 // "memory", "cpu,cpuacct", "systemd"
  std::string data;                   // for mount(2): "memory", "none,name=systemd"
  std::vector<std::string> aliases;   // "cpu", "cpuacct" where several share one hierarchy
};
struct CgroupView {
  std::vector<CgroupHierarchy> v1;    // empty: cgroup v2 alone, mounted at /sys/fs/cgroup itself
  bool unified = false;               // v2 beside v1, shown as /sys/fs/cgroup/unified
};

CgroupView read_cgroup_view();

// Is this open cgroup.procs one of the hierarchy name=systemd? By the mount it was opened through.
bool is_systemd_hierarchy(int fd);

}  // namespace sovirt::launch
