#include "tests/unit/host/recorded_host.hpp"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace sovirt::test {
namespace fs = std::filesystem;

RecordedHost::RecordedHost() {
  std::string name = fs::temp_directory_path() / "sovirt-host-XXXXXX";
  if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
  top_ = name;
}

RecordedHost::~RecordedHost() {
  std::error_code ignored;
  fs::remove_all(top_, ignored);
}

RecordedHost& RecordedHost::file(const std::string& path, const std::string& content) {
  fs::create_directories(fs::path{top_ + path}.parent_path());
  std::ofstream{top_ + path, std::ios::binary} << content;
  return *this;
}

RecordedHost& RecordedHost::link(const std::string& path, const std::string& target) {
  fs::create_directories(fs::path{top_ + path}.parent_path());
  fs::create_symlink(target, top_ + path);
  return *this;
}

RecordedHost& RecordedHost::signature(std::string cpuid) {
  signature_ = std::move(cpuid);
  return *this;
}

Json RecordedHost::report() const {
  HostProbeOptions options;
  options.proc = top_ + "/proc";
  options.sys = top_ + "/sys";
  options.dev = top_ + "/dev";
  options.root = top_;
  options.ask_kernel = false;
  options.cpu_signature = signature_;
  return make_host_probe(options)->report();
}

void record_debian12(RecordedHost& host) {
  const std::string release = "6.1.0-18-amd64", modules = "/lib/modules/" + release;
  host.file("/proc/sys/kernel/osrelease", release + "\n")
      .file("/proc/sys/kernel/hostname", "desk\n")
      .file("/proc/sys/kernel/random/boot_id", "6f0c2a54-1111-4222-8333-444455556666\n")
      .file("/proc/sys/kernel/seccomp/actions_avail", "kill_process kill_thread trap errno user_notif trace log allow\n")
      .file("/proc/uptime", "98765.43 12345.00\n")
      .file("/proc/meminfo", "MemTotal:       16307012 kB\nMemFree:         123 kB\n")
      .file("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i7-8700\nflags\t\t: fpu vme msr vmx est sse4_2\nbugs\t\t: spectre_v1\n")
      .file("/proc/filesystems", "nodev\tsysfs\nnodev\ttmpfs\nnodev\tcgroup\nnodev\tcgroup2\n\text4\n")
      .file("/proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t90\t1\ncpu\t0\t90\t1\nmemory\t0\t90\t1\npids\t0\t90\t1\nblkio\t0\t90\t1\nfreezer\t0\t90\t1\ndevices\t0\t90\t1\n")
      .file("/proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n")
      .file("/proc/self/cgroup", "0::/system.slice/sovirtd.service\n")
      .file("/proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
      .file("/proc/1/environ", std::string("HOME=/\0TERM=linux\0", 18))
      .file("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n")
      .file("/sys/devices/system/cpu/online", "0-11\n")
      .file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n")
      .file("/sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet acpi_pm \n")
      .file("/sys/class/dmi/id/sys_vendor", "Dell Inc.\n")
      .file("/sys/class/dmi/id/product_name", "OptiPlex 7060\n")
      .file("/sys/kernel/security/lsm", "lockdown,capability,landlock,yama,apparmor,tomoyo,bpf\n")
      .file("/dev/kvm", "")
      .file("/etc/os-release", "NAME=\"Debian GNU/Linux\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n")
      .file("/boot/config-" + release, "# Linux\nCONFIG_VETH=m\nCONFIG_BRIDGE=m\nCONFIG_MACVLAN=m\nCONFIG_VXLAN=m\nCONFIG_OVERLAY_FS=m\nCONFIG_NF_TABLES=m\nCONFIG_SECCOMP_FILTER=y\nCONFIG_CGROUP_BPF=y\nCONFIG_PSI=y\n# CONFIG_DUMMY is not set\n")
      .file(modules + "/modules.builtin", "kernel/fs/ext4/ext4.ko\n")
      .file(modules + "/modules.dep", "kernel/drivers/net/veth.ko:\nkernel/net/bridge/bridge.ko: kernel/net/802/stp.ko kernel/net/llc/llc.ko\nkernel/fs/overlayfs/overlay.ko:\nkernel/net/netfilter/nf_tables.ko: kernel/lib/libcrc32c.ko\nkernel/x/y.ko: kernel/drivers/net/vxlan.ko\n");
  for (const char* kind : {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}) {
    host.link(std::string{"/proc/self/ns/"} + kind, std::string{kind} + ":[4026531836]");
    host.file(std::string{"/proc/sys/user/max_"} + kind + "_namespaces", "63456\n");
  }
}

void record_v1_controllers(RecordedHost& host) {
  host.file("/proc/self/mountinfo",
            "30 24 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
            "31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
            "32 24 0:28 / /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
            "33 24 0:29 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n");
  host.file("/proc/cgroups",
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t1\t1\ncpu\t2\t90\t1\ncpuacct\t2\t90\t1\n"
            "memory\t3\t90\t1\nfreezer\t4\t1\t1\npids\t0\t1\t0\n");
}

void record_hybrid_controllers(RecordedHost& host) {
  host.file("/proc/self/mountinfo",
            "30 24 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
            "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  host.file("/sys/fs/cgroup/unified/cgroup.controllers", "cpu pids\n");
}

Json feature(const Json& report, const std::string& name) {
  for (const Json& one : report.at("features"))
    if (one.at("name") == name) return one;
  throw std::runtime_error("no feature " + name);
}

Json controller(const Json& report, const std::string& name) {
  for (const Json& one : report.at("cgroups").at("controllers"))
    if (one.at("name") == name) return one;
  throw std::runtime_error("no controller " + name);
}

}  // namespace sovirt::test
