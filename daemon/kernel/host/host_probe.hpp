#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/domain/ports/cgroup_tree.hpp"
#include "daemon/domain/ports/host_probe.hpp"

namespace sovirt {

struct HostProbeOptions {
  std::string proc = "/proc", sys = "/sys", dev = "/dev";
  std::string root;                          // before /etc, /run, /boot and /lib; "" for the host's own
  // False: only files are read, as for a recorded tree of another machine; nothing is asked of the running kernel or CPU,
  // and these two take the place of what it would have said.
  bool ask_kernel = true;
  std::optional<std::string> cpu_signature;  // 12 bytes of CPUID leaf 0x40000000
  std::string architecture = "x86_64";
  // What the daemon's cgroup tree really uses (CgroupTree::controllers). Empty: what one made now would use.
  std::function<std::vector<CgroupController>()> controllers;
};

// Files are read anew for each report. What only the kernel can tell is asked once, at the first report: in a boot
// the answers do not change. Thread-safe.
std::unique_ptr<HostProbe> make_host_probe(HostProbeOptions = {});

}  // namespace sovirt
