#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/unit/host/recorded_host.hpp"

namespace sovirt::test {
namespace {

class HostReport : public testing::Test {
 protected:
  HostReport() { record_debian12(host); }
  Json virtualization() { return host.report().at("virtualization"); }
  std::string state(const std::string& name) { return feature(host.report(), name).at("state").get<std::string>(); }
  std::string detail(const std::string& name) { return feature(host.report(), name).at("detail").get<std::string>(); }
  void remove(const std::string& path) { std::filesystem::remove_all(host.path(path)); }
  RecordedHost host;
};

TEST_F(HostReport, Identity) {
  const Json report = host.report();
  EXPECT_EQ(report.at("hostname"), "desk");
  EXPECT_EQ(report.at("kernel"), "6.1.0-18-amd64");
  EXPECT_EQ(report.at("architecture"), "x86_64");
  EXPECT_EQ(report.at("distribution"), "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(report.at("boot_id"), "6f0c2a54-1111-4222-8333-444455556666");
  EXPECT_EQ(report.at("uptime_seconds"), 98765);
  EXPECT_EQ(report.at("cpus"), 12);
  EXPECT_EQ(report.at("memory_bytes"), 16307012ULL * 1024);
}

TEST_F(HostReport, BareMetal) {
  const Json report = virtualization();
  EXPECT_EQ(report.at("guest"), false);
  EXPECT_TRUE(report.at("hypervisor").is_null());
  EXPECT_EQ(report.at("machine"), "Dell Inc. OptiPlex 7060");
  EXPECT_EQ(report.at("cpu_extensions"), Json::array({"vmx"}));
  EXPECT_EQ(report.at("kvm_device").at("present"), true);
  EXPECT_EQ(report.at("clocksource").at("current"), "tsc");
  EXPECT_EQ(report.at("clocksource").at("available"), Json::array({"tsc", "hpet", "acpi_pm"}));
  EXPECT_EQ(report.at("clocksource").at("paravirtual"), false);
  EXPECT_EQ(report.at("paravirtual_devices"), Json::array());
  EXPECT_TRUE(report.at("container").is_null());
  EXPECT_TRUE(report.at("emulation").get<std::string>().starts_with("none"));
}

TEST_F(HostReport, KvmGuest) {
  host.signature("KVMKVMKVM")
      .file("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor lahf_lm\n")
      .file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock\n")
      .file("/sys/bus/virtio/drivers/virtio_net/bind", "")
      .file("/sys/bus/virtio/devices/virtio0/vendor", "0x1af4\n")
      .link("/sys/bus/virtio/devices/virtio0/driver", "../../drivers/virtio_net")
      .file("/sys/bus/virtio/devices/virtio1/vendor", "0x1af4\n");
  remove("/dev/kvm");
  const Json report = virtualization();
  EXPECT_EQ(report.at("guest"), true);
  EXPECT_EQ(report.at("hypervisor").at("vendor"), "KVM");
  EXPECT_EQ(report.at("hypervisor").at("signature"), "KVMKVMKVM");
  EXPECT_EQ(report.at("hypervisor").at("source"), "cpuid");
  EXPECT_EQ(report.at("hypervisor").at("type"), 1);
  EXPECT_EQ(report.at("clocksource").at("paravirtual"), true);
  EXPECT_EQ(report.at("paravirtual_devices"), Json::parse(R"([{"bus":"virtio","device":"virtio0","driver":"virtio_net"},
                                                             {"bus":"virtio","device":"virtio1","driver":null}])"));
  EXPECT_EQ(report.at("cpu_extensions"), Json::array());
  EXPECT_EQ(report.at("kvm_device").at("present"), false);
  EXPECT_NE(report.at("kvm_device").at("reason").get<std::string>().find("this guest"), std::string::npos);
}

TEST_F(HostReport, EmulatedByQemu) {
  host.signature("TCGTCGTCGTCG").file("/sys/class/dmi/id/sys_vendor", "QEMU\n");
  const Json report = virtualization();
  EXPECT_EQ(report.at("hypervisor").at("vendor"), "QEMU TCG");
  EXPECT_EQ(report.at("hypervisor").at("type"), 2);
  EXPECT_TRUE(report.at("emulation").get<std::string>().starts_with("full"));
}

TEST_F(HostReport, VmwareCannotTellItsType) {
  host.signature("VMwareVMware").file("/sys/bus/pci/drivers/vmxnet3/0000:0b:00.0/vendor", "").file("/sys/bus/pci/drivers/vmxnet3/bind", "");
  const Json report = virtualization();
  EXPECT_TRUE(report.at("hypervisor").at("type").is_null());
  EXPECT_FALSE(report.at("hypervisor").at("type_reason").get<std::string>().empty());
  ASSERT_EQ(report.at("paravirtual_devices").size(), 1u);
  EXPECT_EQ(report.at("paravirtual_devices")[0].at("device"), "0000:0b:00.0");
}

TEST_F(HostReport, VirtualBoxByDmi) {
  host.file("/sys/class/dmi/id/product_name", "VirtualBox\n");
  const Json report = virtualization();
  EXPECT_EQ(report.at("hypervisor").at("vendor"), "VirtualBox");
  EXPECT_EQ(report.at("hypervisor").at("source"), "dmi");
  EXPECT_EQ(report.at("hypervisor").at("type"), 2);
}

// A rented whole machine and a rented virtual one have the same firmware vendor.
TEST_F(HostReport, CloudVendorCountsOnlyWhereTheCpuAgrees) {
  host.file("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
  EXPECT_EQ(virtualization().at("guest"), false);
  host.file("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor\n");
  EXPECT_EQ(virtualization().at("guest"), true);
  EXPECT_EQ(virtualization().at("hypervisor").at("vendor"), "KVM");
}

TEST_F(HostReport, UnknownSignatureIsNotGuessed) {
  host.signature("SomethingNew");
  const Json report = virtualization();
  EXPECT_EQ(report.at("guest"), true);
  EXPECT_EQ(report.at("hypervisor").at("vendor"), "unknown");
  EXPECT_EQ(report.at("hypervisor").at("signature"), "SomethingNew");
  EXPECT_TRUE(report.at("hypervisor").at("type").is_null());
}

TEST_F(HostReport, XenDom0IsNoGuest) {
  host.signature("XenVMMXenVMM").file("/sys/hypervisor/type", "xen\n").file("/proc/xen/capabilities", "control_d\n");
  EXPECT_EQ(virtualization().at("guest"), false);
  EXPECT_EQ(virtualization().at("hypervisor").at("vendor"), "Xen");
  host.file("/proc/xen/capabilities", "\n");
  EXPECT_EQ(virtualization().at("guest"), true);
}

TEST_F(HostReport, ArmGuestByDeviceTree) {
  remove("/sys/class/dmi");
  host.file("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\n")
      .file("/proc/device-tree/hypervisor/compatible", std::string("linux,kvm\0", 10))
      .file("/proc/device-tree/model", std::string("linux,dummy-virt\0", 17));
  const Json report = virtualization();
  EXPECT_EQ(report.at("hypervisor").at("vendor"), "KVM");
  EXPECT_EQ(report.at("hypervisor").at("source"), "device-tree");
  EXPECT_EQ(report.at("machine"), "linux,dummy-virt");
}

TEST_F(HostReport, InAContainer) {
  host.file("/proc/1/environ", std::string("PATH=/bin\0container=lxc\0", 24));
  EXPECT_EQ(virtualization().at("container"), "lxc");
}

TEST_F(HostReport, MarkFileOfAnEngineCountsOnlyInAPidNamespaceOfItsOwn) {
  host.file("/.dockerenv", "");
  EXPECT_TRUE(virtualization().at("container").is_null());
  remove("/proc/self/ns/pid");
  host.link("/proc/self/ns/pid", "pid:[4026532500]");
  EXPECT_EQ(virtualization().at("container"), "docker");
}

TEST_F(HostReport, NothingReadableIsNoFailure) {
  const RecordedHost empty;
  const Json report = empty.report();
  EXPECT_TRUE(report.at("hostname").is_null());
  EXPECT_EQ(report.at("cpus"), 0);
  EXPECT_EQ(report.at("cgroups").at("layout"), "none");
  EXPECT_EQ(feature(report, "overlayfs").at("state"), "unknown");
  EXPECT_EQ(feature(report, "pidfd").at("state"), "unknown");
}

TEST_F(HostReport, EveryFeatureHasAllItsFieldsAndOneName) {
  std::set<std::string> names;
  const Json report = host.report();
  for (const Json& one : report.at("features")) {
    EXPECT_TRUE(names.insert(one.at("name").get<std::string>()).second) << one;
    EXPECT_TRUE((std::set<std::string>{"present", "missing", "unknown"}).contains(one.at("state").get<std::string>())) << one;
    EXPECT_FALSE(one.at("detail").get<std::string>().empty()) << one;
    EXPECT_FALSE(one.at("needed_for").get<std::string>().empty()) << one;
    EXPECT_TRUE(one.at("required").is_boolean()) << one;
  }
  for (const char* name : {"namespace-cgroup", "namespace-ipc", "namespace-mnt", "namespace-net", "namespace-pid", "namespace-time",
                           "namespace-user", "namespace-uts", "cgroup-v1", "cgroup-v2", "cgroup-controller-cpu", "overlayfs", "veth",
                           "bridge", "macvlan", "vxlan", "dummy", "nftables", "seccomp", "idmapped-mounts", "clone-into-cgroup",
                           "cgroup-kill", "pidfd", "apparmor", "selinux", "landlock", "mount-api", "psi"})
    EXPECT_TRUE(names.contains(name)) << name;
}

TEST_F(HostReport, ModulesThatAreInstalledAreThere) {
  EXPECT_EQ(state("overlayfs"), "present");
  EXPECT_EQ(state("veth"), "present");
  EXPECT_EQ(state("bridge"), "present");
  EXPECT_EQ(state("nftables"), "present");
  EXPECT_NE(detail("veth").find("module"), std::string::npos);
  EXPECT_EQ(state("dummy"), "missing");
  EXPECT_NE(detail("dummy").find("CONFIG_DUMMY"), std::string::npos);
}

TEST_F(HostReport, ModuleWithoutItsFileIsMissing) {
  EXPECT_EQ(state("macvlan"), "missing") << "it is not in modules.dep";
  EXPECT_EQ(state("vxlan"), "missing") << "another module's dependency is no file";
  host.file("/sys/module/macvlan/initstate", "live\n");
  EXPECT_EQ(state("macvlan"), "present");
}

TEST_F(HostReport, NoOverlayfs) {
  remove("/lib/modules/6.1.0-18-amd64/modules.dep");
  host.file("/boot/config-6.1.0-18-amd64", "CONFIG_VETH=y\n");
  EXPECT_EQ(state("overlayfs"), "missing");
  EXPECT_EQ(feature(host.report(), "overlayfs").at("required"), true);
  host.file("/proc/filesystems", "nodev\toverlay\n");
  EXPECT_EQ(state("overlayfs"), "present");
}

TEST_F(HostReport, NamespacesSwitchedOff) {
  host.file("/proc/sys/user/max_user_namespaces", "0\n");
  EXPECT_EQ(state("namespace-user"), "missing");
  EXPECT_NE(detail("namespace-user").find("user.max_user_namespaces"), std::string::npos);
  remove("/proc/self/ns/time");
  EXPECT_EQ(state("namespace-time"), "missing");
  EXPECT_EQ(state("namespace-net"), "present");
}

TEST_F(HostReport, UserNamespacesForRootOnly) {
  host.file("/proc/sys/kernel/unprivileged_userns_clone", "0\n");
  EXPECT_EQ(state("namespace-user"), "present");
  EXPECT_NE(detail("namespace-user").find("unprivileged_userns_clone"), std::string::npos);
}

TEST_F(HostReport, OldKernel) {
  host.file("/proc/sys/kernel/osrelease", "4.19.0-26-amd64\n");
  for (const char* name : {"pidfd", "mount-api", "clone-into-cgroup", "idmapped-mounts", "cgroup-kill"})
    EXPECT_EQ(state(name), "missing") << name;
  EXPECT_EQ(state("cgroup-controller-freezer"), "missing") << "v2 only, before cgroup.freeze";
}

TEST_F(HostReport, SecurityModules) {
  EXPECT_EQ(state("apparmor"), "present");
  EXPECT_EQ(state("landlock"), "present");
  EXPECT_EQ(state("selinux"), "missing");
  remove("/sys/kernel/security");
  EXPECT_EQ(state("landlock"), "missing") << "not in the configuration";
  host.file("/sys/module/apparmor/parameters/enabled", "N\n").file("/boot/config-6.1.0-18-amd64", "#\nCONFIG_SECURITY_APPARMOR=y\n");
  EXPECT_EQ(state("apparmor"), "missing");
}

TEST_F(HostReport, PsiSwitchedOff) {
  EXPECT_EQ(state("psi"), "present");
  remove("/proc/pressure");
  EXPECT_EQ(state("psi"), "missing");
}

TEST_F(HostReport, CgroupV2Only) {
  const Json report = host.report();
  EXPECT_EQ(report.at("cgroups").at("layout"), "v2");
  EXPECT_EQ(report.at("cgroups").at("mounts").size(), 1u);
  EXPECT_EQ(controller(report, "memory"), Json::parse(R"({"name":"memory","version":2,"path":"/sys/fs/cgroup","hierarchy":0,
                                                          "enabled":true,"used":true})"));
  EXPECT_EQ(controller(report, "rdma").at("used"), false);
  EXPECT_TRUE(controller(report, "freezer").at("version").is_null());
  EXPECT_EQ(feature(report, "cgroup-v1").at("state"), "missing");
  EXPECT_EQ(feature(report, "cgroup-v2").at("required"), true);
  EXPECT_EQ(feature(report, "cgroup-controller-freezer").at("state"), "present");
  EXPECT_EQ(feature(report, "cgroup-controller-devices").at("state"), "present");
}

TEST_F(HostReport, CgroupV1Only) {
  record_v1_controllers(host);
  const Json report = host.report();
  EXPECT_EQ(report.at("cgroups").at("layout"), "v1");
  EXPECT_EQ(controller(report, "cpuacct").at("path"), "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(controller(report, "cpu").at("hierarchy"), 2);
  EXPECT_EQ(controller(report, "memory").at("used"), false) << "mounted read-only";
  EXPECT_EQ(controller(report, "pids").at("enabled"), false);
  EXPECT_EQ(feature(report, "cgroup-controller-pids").at("state"), "missing");
  EXPECT_EQ(feature(report, "cgroup-controller-cpuset").at("state"), "missing");
  EXPECT_EQ(feature(report, "cgroup-kill").at("state"), "missing");
  EXPECT_EQ(feature(report, "cgroup-v2").at("state"), "missing");
}

TEST_F(HostReport, CgroupHybrid) {
  record_hybrid_controllers(host);
  const Json report = host.report();
  EXPECT_EQ(report.at("cgroups").at("layout"), "hybrid");
  EXPECT_EQ(controller(report, "memory").at("version"), 1);
  EXPECT_EQ(controller(report, "cpu").at("version"), 2);
  EXPECT_EQ(controller(report, "cpu").at("path"), "/sys/fs/cgroup/unified");
}

TEST_F(HostReport, UsedIsWhatTheTreeSays) {
  HostProbeOptions options;
  options.proc = host.path("/proc");
  options.sys = host.path("/sys");
  options.root = host.path("");
  options.ask_kernel = false;
  options.controllers = [] { return std::vector<CgroupController>{{"pids", 2, "/sys/fs/cgroup", true}, {"cpu", 2, "/sys/fs/cgroup", false}}; };
  const Json report = make_host_probe(options)->report();
  EXPECT_EQ(controller(report, "pids").at("used"), true);
  EXPECT_EQ(controller(report, "cpu").at("used"), false);
  EXPECT_EQ(controller(report, "memory").at("used"), false);
}

}  // namespace
}  // namespace sovirt::test
