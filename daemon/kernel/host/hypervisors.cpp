#include "daemon/kernel/host/hypervisors.hpp"

#include <array>

namespace sovirt {
namespace {

struct Kind {
  std::string_view vendor;
  int type;  // 0: cannot be told
  std::string_view reason;
};

constexpr std::string_view in_kernel_reason = "it is part of the Linux kernel, which runs on the hardware: guests run on that kernel directly";
constexpr std::array kinds{
    Kind{"KVM", 1, in_kernel_reason},
    Kind{"Xen", 1, "it runs on the hardware, and its operating systems, dom0 too, run on it"},
    Kind{"Hyper-V", 1, "it runs on the hardware, Windows itself being its root partition"},
    Kind{"VMware", 0, "ESXi (type 1) and Workstation or Fusion (type 2) look alike from inside"},
    Kind{"VirtualBox", 2, "it is a program of the operating system of its host"},
    Kind{"Parallels", 2, "it is a program of the operating system of its host"},
    Kind{"QEMU TCG", 2, "it is a program of the operating system of its host, and emulates the CPU in software"},
    Kind{"QEMU", 0, "from inside it is not to be seen whether KVM or another accelerator is below it"},
    Kind{"bhyve", 2, "it is a program of FreeBSD with a part in the kernel"},
    Kind{"ACRN", 1, "it runs on the hardware"},
    Kind{"QNX", 1, "it runs on the hardware"},
    Kind{"Jailhouse", 1, "it partitions the hardware and runs below Linux"},
    Kind{"HAXM", 2, "it is a program of the operating system of its host"},
    Kind{"Apple Virtualization", 2, "it is a framework of macOS"},
    Kind{"Bochs", 2, "it is a program of the operating system of its host, and emulates the CPU in software"},
};

Hypervisor make(std::string_view vendor, std::string signature, std::string source) {
  for (const Kind& kind : kinds)
    if (kind.vendor == vendor)
      return {std::string{vendor}, std::move(signature), std::move(source),
              kind.type ? std::optional{kind.type} : std::nullopt, std::string{kind.reason}};
  return {"unknown", std::move(signature), std::move(source), std::nullopt, "sovirt does not know this one"};
}

struct Mark {
  std::string_view text;
  std::string_view vendor;
};

// Leaf 0x40000000; NULs at the end are cut.
constexpr std::array signatures{
    Mark{"KVMKVMKVM", "KVM"},          Mark{"Linux KVM Hv", "KVM"},       Mark{"XenVMMXenVMM", "Xen"},
    Mark{"Microsoft Hv", "Hyper-V"},   Mark{"VMwareVMware", "VMware"},    Mark{"VBoxVBoxVBox", "VirtualBox"},
    Mark{"prl hyperv", "Parallels"},   Mark{" lrpepyh vr", "Parallels"},  Mark{"TCGTCGTCGTCG", "QEMU TCG"},
    Mark{"bhyve bhyve", "bhyve"},      Mark{"ACRNACRNACRN", "ACRN"},      Mark{"QNXQVMBSQG", "QNX"},
    Mark{"HAXMHAXMHAXM", "HAXM"},      Mark{"Jailhouse", "Jailhouse"},    Mark{"VirtualApple", "Apple Virtualization"},
};

constexpr std::array dmi_marks{
    Mark{"KVM", "KVM"},           Mark{"OpenStack", "KVM"},        Mark{"KubeVirt", "KVM"},    Mark{"QEMU", "QEMU"},
    Mark{"VMware", "VMware"},     Mark{"VirtualBox", "VirtualBox"}, Mark{"innotek GmbH", "VirtualBox"}, Mark{"Xen", "Xen"},
    Mark{"Bochs", "Bochs"},       Mark{"Parallels", "Parallels"},   Mark{"BHYVE", "bhyve"},     Mark{"Hyper-V", "Hyper-V"},
    Mark{"Apple Virtualization", "Apple Virtualization"},
};

// These vendors rent out whole machines with the same name in their firmware, so the CPU has to agree.
constexpr std::array cloud_marks{Mark{"Amazon EC2", "KVM"}, Mark{"Google Compute Engine", "KVM"}, Mark{"DigitalOcean", "KVM"},
                                 Mark{"Virtual Machine", "Hyper-V"}, Mark{"Hetzner", "KVM"}};

}  // namespace

std::optional<Hypervisor> hypervisor_by_signature(std::string_view cpuid) {
  if (cpuid.empty()) return std::nullopt;
  for (const Mark& mark : signatures)
    if (cpuid == mark.text) return make(mark.vendor, std::string{cpuid}, "cpuid");
  return make("", std::string{cpuid}, "cpuid");
}

std::optional<Hypervisor> hypervisor_by_dmi(const HostTree& host, bool cpu_says_guest) {
  const auto search = [&](const auto& marks) -> std::optional<Hypervisor> {
    for (const char* field : {"product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"}) {
      const auto text = host.read_line(std::string{"/sys/class/dmi/id/"} + field);
      for (const Mark& mark : marks)
        if (text && text->find(mark.text) != std::string::npos) return make(mark.vendor, *text, "dmi");
    }
    return std::nullopt;
  };
  if (auto found = search(dmi_marks)) return found;
  return cpu_says_guest ? search(cloud_marks) : std::nullopt;
}

std::optional<Hypervisor> hypervisor_by_device_tree(const HostTree& host) {
  if (const auto text = host.read_line("/proc/device-tree/hypervisor/compatible")) {
    const std::string name = text->substr(0, text->find('\0'));
    for (const Mark& mark : {Mark{"linux,kvm", "KVM"}, Mark{"xen", "Xen"}, Mark{"vmware", "VMware"}, Mark{"jailhouse", "Jailhouse"}})
      if (name.find(mark.text) != std::string::npos) return make(mark.vendor, name, "device-tree");
    return make("", name, "device-tree");
  }
  for (const std::string& node : host.list("/proc/device-tree"))
    if (node.starts_with("fw-cfg")) return make("QEMU", node, "device-tree");
  return std::nullopt;
}

std::optional<Hypervisor> hypervisor_by_sysfs(const HostTree& host) {
  const auto type = host.read_line("/sys/hypervisor/type");
  return type == "xen" ? std::optional{make("Xen", *type, "sysfs")} : std::nullopt;
}

}  // namespace sovirt
