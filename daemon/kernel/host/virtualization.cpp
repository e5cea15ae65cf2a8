#include "daemon/kernel/host/virtualization.hpp"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/host/hypervisors.hpp"

namespace sovirt {
namespace {

std::optional<Hypervisor> find_hypervisor(const HostTree& host, const std::string& signature, bool cpu_says_guest) {
  if (auto found = hypervisor_by_signature(signature); found && found->vendor != "unknown") return found;
  if (auto found = hypervisor_by_sysfs(host)) return found;
  if (auto found = hypervisor_by_device_tree(host)) return found;
  if (auto found = hypervisor_by_dmi(host, cpu_says_guest)) return found;
  if (auto found = hypervisor_by_signature(signature)) return found;
  if (cpu_says_guest) return Hypervisor{"unknown", "", "cpuid", std::nullopt, "the CPU says it is a guest's, but not whose"};
  return std::nullopt;
}

// Xen's first domain drives the hardware and starts the others: nobody would call it a guest.
bool is_xen_dom0(const HostTree& host) {
  return contains_word(host.read("/proc/xen/capabilities").value_or(""), "control_d");
}

Json hypervisor_json(const Hypervisor& found) {
  return {{"vendor", found.vendor},
          {"signature", found.signature.empty() ? Json(nullptr) : Json(found.signature)},
          {"source", found.source},
          {"type", found.type ? Json(*found.type) : Json(nullptr)},
          {"type_reason", found.type_reason}};
}

Json kvm_json(const HostTree& host, bool extensions, bool guest, bool open_kvm) {
  const auto answer = [](bool there, bool usable, std::string why) {
    return Json{{"present", there}, {"usable", usable}, {"reason", std::move(why)}};
  };
  if (!host.exists("/dev/kvm")) {
    if (extensions) return answer(false, false, "the CPU has what it needs, but the kvm module is not loaded");
    return answer(false, false, guest ? "the hypervisor does not pass hardware virtualization on to this guest"
                                      : "the CPU has neither VT-x nor AMD-V, or the firmware has it switched off");
  }
  if (!open_kvm) return answer(true, false, "there, not tried");
  const unique_fd device{::open(host.locate("/dev/kvm").c_str(), O_RDWR | O_CLOEXEC)};
  if (!device) return answer(true, false, std::string{"it cannot be opened: "} + ::strerrordesc_np(errno));
  const int version = ::ioctl(device.get(), KVM_GET_API_VERSION, 0);
  if (version != KVM_API_VERSION) return answer(true, false, "it does not speak version 12 of the KVM interface");
  return answer(true, true, extensions ? "it speaks version 12 of the KVM interface"
                                       : "it speaks version 12 of the KVM interface, though the CPU shows neither vmx nor svm");
}

Json clock_json(const HostTree& host) {
  static constexpr std::array<std::string_view, 5> paravirtual{"kvm-clock", "xen", "hyperv_clocksource_tsc_page",
                                                               "hyperv_clocksource_msr", "vmware-clock"};
  const std::string at = "/sys/devices/system/clocksource/clocksource0/";
  const auto current = host.read_line(at + "current_clocksource");
  Json available = Json::array();
  const std::string names = host.read_line(at + "available_clocksource").value_or("");
  for (std::size_t from = 0; from < names.size();) {
    const auto end = std::min(names.find(' ', from), names.size());
    if (end > from) available.push_back(names.substr(from, end - from));
    from = end + 1;
  }
  return {{"current", current ? Json(*current) : Json(nullptr)},
          {"available", std::move(available)},
          {"paravirtual", current && std::find(paravirtual.begin(), paravirtual.end(), *current) != paravirtual.end()}};
}

Json paravirtual_devices(const HostTree& host) {
  Json devices = Json::array();
  const auto add = [&](const char* bus, const std::string& device) {
    const auto driver = host.link_name("/sys/bus/" + std::string{bus} + "/devices/" + device + "/driver");
    devices.push_back({{"bus", bus}, {"device", device}, {"driver", driver ? Json(*driver) : Json(nullptr)}});
  };
  for (const char* bus : {"virtio", "xen", "vmbus"})
    for (const std::string& device : host.list("/sys/bus/" + std::string{bus} + "/devices")) add(bus, device);
  for (const char* driver : {"vmxnet3", "vmw_pvscsi", "vmw_balloon", "vboxguest"})  // PCI devices made for guests
    for (const std::string& device : host.list("/sys/bus/pci/drivers/" + std::string{driver}))
      if (device.find(':') != std::string::npos) add("pci", device);
  return devices;
}

std::string emulation_text(const HostTree& host, const std::optional<Hypervisor>& found) {
  std::string text;
  if (!found)
    text = "none: programs run on the hardware itself";
  else if (found->vendor == "QEMU TCG" || found->vendor == "Bochs")
    text = "full: " + found->vendor + " carries out every instruction in software";
  else
    text = "not of the CPU: a guest's instructions run on the real one; devices that are not paravirtual are emulated";
  std::string foreign;
  for (const std::string& name : host.list("/proc/sys/fs/binfmt_misc"))
    if (name.starts_with("qemu-")) foreign += (foreign.empty() ? "" : ", ") + name.substr(5);
  if (!foreign.empty()) text += "; programs of other architectures run through qemu-user (" + foreign + ")";
  return text;
}

// Disk images made of container images keep the engine's mark file, so that alone says nothing: a container has
// a pid namespace of its own, and the first one always has this number (PROC_PID_INIT_INO).
bool in_first_pid_namespace(const HostTree& host) { return host.link_name("/proc/self/ns/pid") == "pid:[4026531836]"; }

// The container this host itself is, if any.
Json container_json(const HostTree& host) {
  if (const auto name = host.read_line("/run/systemd/container")) return *name;
  const std::string environment = '\0' + host.read("/proc/1/environ").value_or("");
  static constexpr std::string_view key{"\0container=", 11};
  if (const auto at = environment.find(key); at != std::string::npos)
    return environment.substr(at + key.size(), environment.find('\0', at + 1) - at - key.size());
  if (!in_first_pid_namespace(host) && host.exists("/.dockerenv")) return "docker";
  if (!in_first_pid_namespace(host) && host.exists("/run/.containerenv")) return "podman";
  const std::string release = host.read_line("/proc/sys/kernel/osrelease").value_or("");
  if (release.find("icrosoft") != std::string::npos) return "wsl";
  const std::string groups = host.read("/proc/1/cgroup").value_or("");
  for (const char* engine : {"docker", "kubepods", "lxc"})
    if (groups.find('/' + std::string{engine}) != std::string::npos) return engine;
  return nullptr;
}

}  // namespace

// "flags" on x86, "Features" on ARM, "features" on s390.
std::string cpu_flags(const HostTree& host) {
  const std::string text = host.read("/proc/cpuinfo").value_or("");
  for (const char* key : {"\nflags", "\nFeatures", "\nfeatures"}) {
    const auto at = text.find(key);
    if (at == std::string::npos) continue;
    const auto colon = text.find(':', at);
    return text.substr(colon + 1, text.find('\n', colon) - colon - 1);
  }
  return {};
}

Json virtualization_report(const HostTree& host, const CpuFacts& cpu, bool open_kvm) {
  Json extensions = Json::array();
  for (const char* flag : {"vmx", "svm", "sie"})
    if (contains_word(cpu.flags, flag)) extensions.push_back(flag);
  const auto hypervisor = find_hypervisor(host, cpu.signature, contains_word(cpu.flags, "hypervisor") || !cpu.signature.empty());
  const bool guest = hypervisor && !is_xen_dom0(host);
  std::string machine;
  for (const char* field : {"sys_vendor", "product_name"})
    if (const auto text = host.read_line(std::string{"/sys/class/dmi/id/"} + field)) machine += (machine.empty() ? "" : " ") + *text;
  if (machine.empty()) machine = host.read_line("/proc/device-tree/model").value_or("");
  return {{"guest", guest},
          {"hypervisor", hypervisor ? hypervisor_json(*hypervisor) : Json(nullptr)},
          {"machine", machine.empty() ? Json(nullptr) : Json(machine)},
          {"cpu_extensions", extensions},
          {"kvm_device", kvm_json(host, !extensions.empty(), guest, open_kvm)},
          {"clocksource", clock_json(host)},
          {"paravirtual_devices", paravirtual_devices(host)},
          {"emulation", emulation_text(host, hypervisor)},
          {"container", container_json(host)}};
}

}  // namespace sovirt
