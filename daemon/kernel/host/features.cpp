#include "daemon/kernel/host/features.hpp"

#include <algorithm>
#include <array>

namespace sovirt {
namespace {

struct Namespace {
  const char* kind;
  const char* sysctl;  // /proc/sys/user/max_…_namespaces
  bool required;
  const char* needed_for;
};
constexpr std::array namespaces{
    Namespace{"cgroup", "cgroup", true, "a container that sees its own control groups as the root; systemd in it"},
    Namespace{"ipc", "ipc", true, "shared memory, semaphores and message queues of a container's own"},
    Namespace{"mnt", "mnt", true, "a root file system of a container's own, and for a chroot mounts the host does not see"},
    Namespace{"net", "net", true, "interfaces, addresses, ports and routes of a container's own"},
    Namespace{"pid", "pid", true, "process numbers of a container's own, with its init as process 1"},
    Namespace{"time", "time", false, "clocks of a container's own, as a restored checkpoint needs them"},
    Namespace{"user", "user", false, "containers whose root is an ordinary user of the host"},
    Namespace{"uts", "uts", true, "a host name of a container's own"},
};

struct Part {
  const char* name;    // of the feature
  const char* module;
  const char* option;
  bool required;
  const char* needed_for;
};
constexpr std::array parts{
    Part{"overlayfs", "overlay", "OVERLAY_FS", true, "containers that share an image without copying it"},
    Part{"veth", "veth", "VETH", false, "connecting a container to a bridge"},
    Part{"bridge", "bridge", "BRIDGE", false, "bridges, and so every container with a network"},
    Part{"macvlan", "macvlan", "MACVLAN", false, "links of type macvlan"},
    Part{"vxlan", "vxlan", "VXLAN", false, "links of type vxlan"},
    Part{"dummy", "dummy", "DUMMY", false, "links of type dummy"},
    Part{"nftables", "nf_tables", "NF_TABLES", false, "NAT and isolation of bridges"},
};

struct Controller {
  const char* name;    // of v2
  const char* v1;
  const char* needed_for;
};
constexpr std::array controllers{
    Controller{"cpu", "cpu", "CPU weights and quotas"},
    Controller{"cpuset", "cpuset", "binding containers to CPUs and memory nodes"},
    Controller{"io", "blkio", "weights and limits of disk traffic"},
    Controller{"memory", "memory", "memory limits, and showing what a container uses"},
    Controller{"pids", "pids", "limits on the number of processes, against fork bombs"},
    Controller{"hugetlb", "hugetlb", "limits on huge pages"},
};

struct SystemCall {
  const char* name;
  int major, minor;    // since
  bool required;
  const char* needed_for;
};
constexpr std::array system_calls{
    SystemCall{"mount-api", 5, 2, true, "root file systems that no mount table of the host shows"},
    SystemCall{"pidfd", 5, 3, true, "signals that cannot hit another process with a reused number"},
    SystemCall{"clone-into-cgroup", 5, 7, false, "starting a process in its v2 group at once; without it it is moved there"},
    SystemCall{"idmapped-mounts", 5, 12, false, "unprivileged containers that share an image without changing its owners"},
};

KernelAnswer namespace_answer(const FeatureSources& from, const Namespace& one) {
  const HostTree& host = from.host;
  if (!host.exists(std::string{"/proc/self/ns/"} + one.kind)) return missing("not in this kernel");
  const std::string sysctl = std::string{"user.max_"} + one.sysctl + "_namespaces";
  const auto most = host.read_line(std::string{"/proc/sys/user/max_"} + one.sysctl + "_namespaces");
  if (most == "0") return missing("switched off: sysctl " + sysctl + " is 0");
  if (const auto asked = from.asked.find(std::string{"namespace-"} + one.kind);
      asked != from.asked.end() && asked->second.state == KernelAnswer::State::missing)
    return asked->second;
  std::string detail = most ? "at most " + *most + " (" + sysctl + ")" : "in the kernel";
  if (std::string_view{one.kind} == "user") {
    if (host.read_line("/proc/sys/kernel/unprivileged_userns_clone") == "0")
      detail += "; only root makes them (kernel.unprivileged_userns_clone is 0), which is enough";
    if (host.read_line("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
      detail += "; AppArmor restricts those of ordinary users, which is no matter";
  }
  return present(std::move(detail));
}

KernelAnswer part_answer(const FeatureSources& from, const Part& part) {
  const KernelBuild::Evidence evidence = from.build.find(from.host, part.module, part.option);
  if (evidence.part == KernelBuild::Part::loadable) return present(evidence.detail);
  if (const auto asked = from.asked.find(part.name); asked != from.asked.end() && asked->second.state != KernelAnswer::State::unknown) {
    // The kernel's own word goes before what is on record; the record says why.
    const bool agree = (asked->second.state == KernelAnswer::State::present) == (evidence.part == KernelBuild::Part::running);
    return {asked->second.state, agree ? evidence.detail : asked->second.detail};
  }
  const bool listed = contains_word(from.host.read("/proc/filesystems").value_or(""), part.module);
  if (evidence.part == KernelBuild::Part::running || listed) return present(listed ? "in /proc/filesystems" : evidence.detail);
  if (evidence.part == KernelBuild::Part::absent) return missing(evidence.detail);
  return unknown(evidence.detail);
}

KernelAnswer cgroup_version_answer(const FeatureSources& from, int version) {
  std::string paths;
  for (const CgroupHierarchy& mounted : from.cgroups.hierarchies)
    if (mounted.version == version) paths += (paths.empty() ? "" : ", ") + mounted.mount;
  if (!paths.empty()) return present("mounted at " + paths);
  const bool known = contains_word(from.host.read("/proc/filesystems").value_or(""), version == 2 ? "cgroup2" : "cgroup");
  return missing(known ? "the kernel has it, but it is not mounted" : "not in this kernel");
}

KernelAnswer controller_answer(const FeatureSources& from, const Controller& one) {
  bool compiled = false;
  for (const char* name : {one.name, one.v1}) {
    const ControllerFacts* facts = from.cgroups.find(name);
    if (!facts) continue;
    if (!facts->enabled) return missing("switched off at boot (cgroup_disable=" + facts->name + ")");
    if (facts->version)
      return present((facts->version == 1 ? "v1 (" + facts->name + ") at " : "v2 at ") + facts->path);
    compiled = true;
  }
  return missing(compiled ? "in the kernel, but on no mounted hierarchy" : "not in this kernel");
}

// v2 has these two without a controller.
KernelAnswer freezer_answer(const FeatureSources& from) {
  const ControllerFacts* v1 = from.cgroups.find("freezer");
  if (v1 && v1->version == 1) return present("v1 at " + v1->path);
  if (!from.cgroups.has(2)) return missing("neither a v1 freezer nor cgroup v2 is mounted");
  return from.build.at_least(5, 2) ? present("v2 (cgroup.freeze)") : missing("cgroup v2 freezes since Linux 5.2");
}

KernelAnswer devices_answer(const FeatureSources& from) {
  const ControllerFacts* v1 = from.cgroups.find("devices");
  if (v1 && v1->version == 1) return present("v1 at " + v1->path);
  if (!from.cgroups.has(2)) return missing("neither v1 devices nor cgroup v2 is mounted");
  if (from.build.option("CGROUP_BPF") == 'n') return missing("CONFIG_CGROUP_BPF is not set in this kernel");
  return present("v2, as a BPF program of the group");
}

KernelAnswer kill_answer(const FeatureSources& from) {
  if (!from.cgroups.has(2)) return missing("cgroup v2 is not mounted");
  return from.build.at_least(5, 14) ? present("cgroup.kill") : missing("Linux 5.14 has it");
}

KernelAnswer system_call_answer(const FeatureSources& from, const SystemCall& one) {
  if (const auto asked = from.asked.find(one.name); asked != from.asked.end()) {
    if (std::string_view{one.name} != "clone-into-cgroup" || asked->second.state != KernelAnswer::State::present || from.cgroups.has(2))
      return asked->second;
    return missing("the kernel could, but cgroup v2 is not mounted");
  }
  const std::string since = "Linux " + std::to_string(one.major) + "." + std::to_string(one.minor) + " has it";
  if (from.build.release().empty()) return unknown("the kernel's version is not known");
  const bool there = from.build.at_least(one.major, one.minor);
  return {there ? KernelAnswer::State::present : KernelAnswer::State::missing, since + ", this is " + from.build.release()};
}

KernelAnswer seccomp_answer(const FeatureSources& from) {
  if (const auto asked = from.asked.find("seccomp"); asked != from.asked.end()) return asked->second;
  if (from.host.exists("/proc/sys/kernel/seccomp/actions_avail")) return present("filters");
  if (from.build.option("SECCOMP_FILTER") == 'n') return missing("CONFIG_SECCOMP_FILTER is not set in this kernel");
  return unknown("not to be told from this host's files");
}

// /sys/kernel/security/lsm is the list; without securityfs mounted each module's own trace has to do: a parameter for
// AppArmor, a file system that is only there when it was enabled at boot for SELinux.
KernelAnswer lsm_answer(const FeatureSources& from, const std::string& name, const std::string& option) {
  if (const auto asked = from.asked.find(name); asked != from.asked.end()) return asked->second;
  if (const auto active = from.host.read_line("/sys/kernel/security/lsm"))
    return contains_word(*active, name) ? present("active") : missing("not among the active ones (" + *active + ")");
  if (from.host.read_line("/sys/module/" + name + "/parameters/enabled") == "Y") return present("active");
  const std::string filesystems = from.host.read("/proc/filesystems").value_or("");
  if (contains_word(filesystems, name + "fs")) return present("active");
  if (from.build.option(option) == 'n') return missing("CONFIG_" + option + " is not set in this kernel");
  if (from.host.exists("/sys/module/" + name + "/parameters/enabled") || (name == "selinux" && !filesystems.empty()))
    return missing("not enabled at boot");
  return unknown("/sys/kernel/security is not mounted");
}

KernelAnswer psi_answer(const FeatureSources& from) {
  if (from.host.read("/proc/pressure/cpu")) return present("/proc/pressure");
  if (from.build.option("PSI") == 'n') return missing("CONFIG_PSI is not set in this kernel");
  return missing("switched off (psi=1 on the kernel's command line switches it on)");
}

void add_cgroups(const FeatureSources& from, std::vector<Feature>& out) {
  const bool v1 = from.cgroups.has(1), v2 = from.cgroups.has(2);
  out.push_back({"cgroup-v1", cgroup_version_answer(from, 1), "nothing, where v2 is mounted", !v2 && v1});
  out.push_back({"cgroup-v2", cgroup_version_answer(from, 2), v1 ? "killing and placing processes at once" : "limits, freezing and killing of containers", !v1});
  for (const Controller& one : controllers)
    out.push_back({std::string{"cgroup-controller-"} + one.name, controller_answer(from, one), one.needed_for, false});
  out.push_back({"cgroup-controller-devices", devices_answer(from), "keeping containers from the host's devices", false});
  out.push_back({"cgroup-controller-freezer", freezer_answer(from), "freezing containers", false});
  out.push_back({"cgroup-kill", kill_answer(from), "killing a whole group at once; without it, process by process", false});
}

void add_security(const FeatureSources& from, std::vector<Feature>& out) {
  out.push_back({"seccomp", seccomp_answer(from), "keeping system calls from containers", false});
  out.push_back({"apparmor", lsm_answer(from, "apparmor", "SECURITY_APPARMOR"),
                 "AppArmor profiles for containers; they start without", false});
  out.push_back({"selinux", lsm_answer(from, "selinux", "SECURITY_SELINUX"),
                 "SELinux labels for containers; they start without", false});
  out.push_back({"landlock", lsm_answer(from, "landlock", "SECURITY_LANDLOCK"), "rules a program sets itself; sovirt does not need it", false});
}

}  // namespace

std::vector<Feature> find_features(const FeatureSources& from) {
  std::vector<Feature> out;
  for (const Namespace& one : namespaces)
    out.push_back({std::string{"namespace-"} + one.kind, namespace_answer(from, one), one.needed_for, one.required});
  add_cgroups(from, out);
  for (const Part& part : parts) out.push_back({part.name, part_answer(from, part), part.needed_for, part.required});
  for (const SystemCall& one : system_calls)
    out.push_back({one.name, system_call_answer(from, one), one.needed_for, one.required});
  add_security(from, out);
  out.push_back({"psi", psi_answer(from), "pressure figures in the statistics", false});
  return out;
}

std::set<std::string> loadable_parts(const HostTree& host, const KernelBuild& build) {
  std::set<std::string> names;
  for (const Part& part : parts)
    if (build.find(host, part.module, part.option).part == KernelBuild::Part::loadable) names.insert(part.name);
  return names;
}

}  // namespace sovirt
