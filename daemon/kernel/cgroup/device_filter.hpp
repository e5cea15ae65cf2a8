#pragma once
#include <linux/bpf.h>

#include <vector>

#include "daemon/domain/ports/cgroup_tree.hpp"

namespace sovirt {

// cgroup v1: devices.deny and devices.allow of a group without children. Repeated: the same.
void set_devices_v1(int directory, const std::vector<DeviceRule>&);

// cgroup v2 has no files for it: a program that the kernel asks at each open and mknod. It replaces the one that an
// earlier call attached. Throws Error{unsupported} where the kernel has no such programs.
void set_devices_v2(int directory, const std::vector<DeviceRule>&);

// That program. Public for tests.
std::vector<bpf_insn> device_program(const std::vector<DeviceRule>&);

}  // namespace sovirt
