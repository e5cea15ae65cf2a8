#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "daemon/kernel/host/host_tree.hpp"

namespace sovirt {

struct Hypervisor {
  std::string vendor;               // "KVM"
  std::string signature;            // as the source spells it, "" if it is not a signature
  std::string source;               // "cpuid" | "dmi" | "device-tree" | "sysfs"
  std::optional<int> type;          // 1: on the hardware itself, 2: a program of an operating system
  std::string type_reason;
};

std::optional<Hypervisor> hypervisor_by_signature(std::string_view cpuid);   // nullopt: empty
std::optional<Hypervisor> hypervisor_by_dmi(const HostTree&, bool cpu_says_guest);
std::optional<Hypervisor> hypervisor_by_device_tree(const HostTree&);
std::optional<Hypervisor> hypervisor_by_sysfs(const HostTree&);              // /sys/hypervisor: Xen

}  // namespace sovirt
