#include "daemon/domain/oci_config.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "daemon/base/default_path.hpp"

namespace sovirt {
namespace {

// What a system container's root may do. Left out is what would reach the host's kernel itself: modules, raw memory
// and ports, the clock, wake-ups, security modules and the kernel's log; and what only looks at the host.
constexpr const char* container_capabilities[] = {
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_CHROOT", "SYS_PTRACE", "SYS_ADMIN",
    "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "SETFCAP"};

// By number, which is the order in which they are printed everywhere.
std::vector<std::string> capabilities(const SecuritySpec& security) {
  const auto has = [](const std::vector<std::string>& list, const char* name) { return std::find(list.begin(), list.end(), name) != list.end(); };
  std::set<int> numbers;
  const auto& all = capability_names();
  if (security.privileged || has(security.add, "ALL"))
    for (std::size_t i = 0; i < all.size(); ++i) numbers.insert(static_cast<int>(i));
  else
    for (const char* name : container_capabilities) numbers.insert(capability_number(name));
  if (has(security.drop, "ALL")) numbers.clear();
  for (const std::string& name : security.add)
    if (name != "ALL") numbers.insert(capability_number(name));
  for (const std::string& name : security.drop) numbers.erase(capability_number(name));
  std::vector<std::string> names;
  for (const int number : numbers) names.push_back("CAP_" + all[static_cast<std::size_t>(number)]);
  return names;
}

// Calls that reach past what namespaces and capabilities hold apart: the kernel itself (modules, kexec, raw ports), its
// clock and swap, key rings and file handles, which no namespace divides, and interfaces where most of its holes were.
// `unlocked_by`: the capability that says it is meant to be used. Everything else a system container may need.
struct RefusedCall { const char* name; const char* unlocked_by; };
constexpr RefusedCall refused_calls[] = {
    {"acct", "SYS_PACCT"}, {"add_key", nullptr}, {"bpf", "BPF"}, {"clock_adjtime", "SYS_TIME"}, {"clock_adjtime64", "SYS_TIME"},
    {"clock_settime", "SYS_TIME"}, {"clock_settime64", "SYS_TIME"}, {"create_module", "SYS_MODULE"}, {"delete_module", "SYS_MODULE"},
    {"finit_module", "SYS_MODULE"}, {"get_kernel_syms", nullptr}, {"init_module", "SYS_MODULE"}, {"io_uring_enter", nullptr},
    {"io_uring_register", nullptr}, {"io_uring_setup", nullptr}, {"ioperm", "SYS_RAWIO"}, {"iopl", "SYS_RAWIO"},
    {"kexec_file_load", nullptr}, {"kexec_load", nullptr}, {"keyctl", nullptr}, {"lookup_dcookie", nullptr}, {"nfsservctl", nullptr},
    {"open_by_handle_at", nullptr}, {"perf_event_open", "PERFMON"}, {"query_module", nullptr}, {"quotactl", nullptr},
    {"quotactl_fd", nullptr}, {"request_key", nullptr}, {"settimeofday", "SYS_TIME"}, {"stime", "SYS_TIME"}, {"swapoff", nullptr},
    {"swapon", nullptr}, {"_sysctl", nullptr}, {"sysfs", nullptr}, {"uselib", nullptr}, {"userfaultfd", nullptr}, {"ustat", nullptr},
    {"vm86", nullptr}, {"vm86old", nullptr}};

Json seccomp(const std::vector<std::string>& granted) {
  Json names = Json::array();
  for (const RefusedCall& call : refused_calls) {
    const bool unlocked = call.unlocked_by && std::find(granted.begin(), granted.end(), std::string{"CAP_"} + call.unlocked_by) != granted.end();
    if (!unlocked) names.push_back(call.name);
  }
  Json rules = Json::array();
  rules.push_back({{"names", std::move(names)}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 1}});
  return {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", std::move(rules)}};
}

Json env_list(const ContainerSpec& spec, bool is_container) {
  std::map<std::string, std::string> env{
      {"PATH", default_path}, {"TERM", "linux"}, {"HOME", "/root"}};
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
               {"noNewPrivileges", spec.security.no_new_privileges}};
  if (!is_container) return process;   // a chroot has all of the host's: it isolates files only
  const auto granted = capabilities(spec.security);
  process["capabilities"] = {{"bounding", granted}, {"effective", granted}, {"permitted", granted}};
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

// What a privileged container may do to devices it does through /sys.
void open_sys(Json& mounts) {
  for (Json& one : mounts)
    if (one.at("destination") == "/sys") one["options"] = {"nosuid", "noexec", "nodev", "rw"};
}

Json spec_mount(const MountSpec& spec) {
  if (spec.type == MountSpec::Type::tmpfs) {
    std::vector<std::string> options{"nosuid", "nodev", "mode=1777", spec.read_only ? "ro" : "rw"};
    if (spec.size != 0) options.push_back("size=" + std::to_string(spec.size));
    return mount(spec.target.c_str(), "tmpfs", "sovirt-tmpfs", std::move(options));
  }
  return mount(spec.target.c_str(), "none", spec.source.c_str(),
               {spec.recursive ? "rbind" : "bind", std::string{spec.recursive ? "r" : ""} + propagation_text(spec.propagation), spec.read_only ? "ro" : "rw"});
}

Json spec_devices(const std::vector<DeviceNode>& nodes) {
  Json list = Json::array();
  for (const DeviceNode& node : nodes)
    list.push_back({{"path", node.path}, {"type", node.type}, {"major", node.major}, {"minor", node.minor}, {"fileMode", node.mode},
                    {"uid", node.uid}, {"gid", node.gid}});
  return list;
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
  if (!input.devices.empty()) part["devices"] = spec_devices(input.devices);
  const SecuritySpec& security = input.spec->security;
  if (security.seccomp && !security.privileged) part["seccomp"] = seccomp(capabilities(security));
  if (security.privileged) return part;
  part["maskedPaths"] = {"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug",
                         "/proc/acpi", "/proc/scsi", "/sys/firmware"};
  part["readonlyPaths"] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"};
  return part;
}

}  // namespace

Json oci_config(const OciInput& input) {
  const bool is_container = input.spec->isolation == Isolation::container;
  Json mounts = is_container ? container_mounts() : chroot_mounts();
  if (input.spec->security.privileged) open_sys(mounts);
  for (const MountSpec& one : input.mounts) mounts.push_back(spec_mount(one));
  Json config{{"ociVersion", "1.1.0"},
              {"process", process(input, is_container)},
              // The root comes as a mount of its own over the control socket; other runtimes are given it here.
              {"root", {{"path", "rootfs"}, {"readonly", false}}},
              {"mounts", std::move(mounts)},
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
