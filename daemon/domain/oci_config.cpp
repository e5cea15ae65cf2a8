#include "daemon/domain/oci_config.hpp"

#include <nlohmann/json.hpp>

namespace sovirt {
namespace {

// What a system container's root may do. Left out is what would reach the host's kernel itself: modules, raw memory
// and ports, the clock, wake-ups, security modules and the kernel's log; and what only looks at the host.
constexpr const char* container_capabilities[] = {
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
    "CAP_AUDIT_WRITE", "CAP_SETFCAP"};

Json env_list(const ContainerSpec& spec, bool is_container) {
  std::map<std::string, std::string> env{
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, {"TERM", "linux"}, {"HOME", "/root"}};
  if (is_container) env["container"] = "sovirt";   // by which systemd knows where it is
  for (const auto& [name, value] : spec.env) env[name] = value;
  Json list = Json::array();
  for (const auto& [name, value] : env) list.push_back(name + "=" + value);
  return list;
}

Json process(const OciInput& input, bool is_container) {
  const ContainerSpec& spec = *input.spec;
  Json process{{"terminal", !input.command.empty()},
               {"consoleSize", {{"height", 24}, {"width", 80}}},
               {"user", {{"uid", spec.user.uid}, {"gid", spec.user.gid}, {"umask", 18}}},
               {"args", input.command},
               {"env", env_list(spec, is_container)},
               {"cwd", spec.cwd},
               {"noNewPrivileges", false}};
  if (!is_container) return process;   // a chroot has all of the host's: it isolates files only
  process["capabilities"] = {{"bounding", container_capabilities},
                             {"effective", container_capabilities},
                             {"permitted", container_capabilities}};
  process["rlimits"] = Json::array({{{"type", "RLIMIT_NOFILE"}, {"soft", 1024u}, {"hard", 524288u}}});
  return process;
}

Json mount(const char* destination, const char* type, const char* source, std::vector<std::string> options) {
  return {{"destination", destination}, {"type", type}, {"source", source}, {"options", std::move(options)}};
}

// /sys is read-only, which also tells udev that it has nothing to do here; the cgroups on it are the container's own.
Json container_mounts() {
  return Json::array({
      mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      mount("/dev/shm", "tmpfs", "shm", {"nosuid", "nodev", "mode=1777"}),
      mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      mount("/run", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=755"}),
      mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
      mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "rw"}),
  });
}

Json chroot_mounts() {
  return Json::array({
      mount("/dev", "none", "/dev", {"rbind", "rprivate"}),
      mount("/proc", "none", "/proc", {"rbind", "rprivate"}),
      mount("/sys", "none", "/sys", {"rbind", "rprivate"}),
  });
}

Json namespaces(std::initializer_list<const char*> types) {
  Json list = Json::array();
  for (const char* type : types) list.push_back({{"type", type}});
  return list;
}

Json linux_part(const OciInput& input, bool is_container) {
  Json part{{"cgroupsPath", input.cgroups_path}, {"rootfsPropagation", "private"}};
  if (!is_container) {
    part["namespaces"] = namespaces({"mount"});
    return part;
  }
  part["namespaces"] = namespaces({"pid", "network", "ipc", "uts", "mount", "cgroup"});
  part["maskedPaths"] = {"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug",
                         "/proc/acpi", "/proc/scsi", "/sys/firmware"};
  part["readonlyPaths"] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"};
  return part;
}

}  // namespace

Json oci_config(const OciInput& input) {
  const bool is_container = input.spec->isolation == Isolation::container;
  Json config{{"ociVersion", "1.1.0"},
              {"process", process(input, is_container)},
              // The root comes as a mount of its own over the control socket; other runtimes are given it here.
              {"root", {{"path", "rootfs"}, {"readonly", false}}},
              {"mounts", is_container ? container_mounts() : chroot_mounts()},
              {"linux", linux_part(input, is_container)},
              {"annotations",
               {{"org.sovirt.name", input.name},
                {"org.sovirt.uid", input.uid},
                {"org.sovirt.isolation", is_container ? "container" : "chroot"},
                {"org.sovirt.console", input.command.empty() ? "none" : "pty"}}}};
  if (is_container) config["hostname"] = input.hostname;
  return config;
}

}  // namespace sovirt
