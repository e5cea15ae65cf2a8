#pragma once
#include <string>

#include "api/json.hpp"
#include "daemon/kernel/host/host_tree.hpp"

namespace sovirt {

// What the CPU says of itself; the same until the next boot.
struct CpuFacts {
  std::string flags;      // of the first one in /proc/cpuinfo
  std::string signature;  // of cpuid_signature()
};
std::string cpu_flags(const HostTree&);

// Row V1: is this host a guest, of what, and what can it virtualize itself.
// `open_kvm`: try /dev/kvm rather than only look whether it is there.
Json virtualization_report(const HostTree&, const CpuFacts&, bool open_kvm);

}  // namespace sovirt
