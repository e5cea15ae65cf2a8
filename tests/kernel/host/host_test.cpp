// The report on this machine, compared with what other programs say of it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "daemon/kernel/host/host_probe.hpp"

namespace sovirt::test {
namespace {

// What a command prints, without the last end of line; nullopt if it fails or is not installed.
std::optional<std::string> output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe{::popen((command + " 2>/dev/null").c_str(), "re"), &::pclose};
  std::string text;
  std::array<char, 4096> buffer;
  for (std::size_t got; (got = ::fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0;) text.append(buffer.data(), got);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? std::nullopt : std::optional{text};
}

std::set<std::string> words_of(const std::string& text, char separator) {
  std::set<std::string> out;
  std::istringstream in{text};
  for (std::string word; std::getline(in, word, separator);)
    if (!word.empty()) out.insert(word);
  return out;
}

class HostOfThisMachine : public testing::Test {
 protected:
  static void SetUpTestSuite() { report_ = std::make_unique<Json>(make_host_probe()->report()); }
  static void TearDownTestSuite() { report_.reset(); }
  static const Json& report() { return *report_; }
  static std::string state(const std::string& name) {
    for (const Json& one : report().at("features"))
      if (one.at("name") == name) return one.at("state").get<std::string>();
    return "not in the report";
  }
  static inline std::unique_ptr<Json> report_;
};

TEST_F(HostOfThisMachine, Identity) {
  EXPECT_EQ(report().at("kernel"), *output_of("uname -r"));
  EXPECT_EQ(report().at("architecture"), *output_of("uname -m"));
  EXPECT_EQ(report().at("hostname"), *output_of("uname -n"));
  EXPECT_EQ(std::to_string(report().at("cpus").get<unsigned>()), *output_of("getconf _NPROCESSORS_ONLN"));
  const auto pages = std::stoull(*output_of("getconf _PHYS_PAGES")) * static_cast<unsigned long long>(::sysconf(_SC_PAGESIZE));
  EXPECT_EQ(report().at("memory_bytes"), pages);
  EXPECT_EQ(report().at("distribution"), *output_of(". /etc/os-release && echo \"$PRETTY_NAME\""));
}

TEST_F(HostOfThisMachine, HypervisorIsWhatLscpuSays) {
  if (!output_of("lscpu")) GTEST_SKIP() << "lscpu is not installed";
  const auto vendor = output_of("LC_ALL=C lscpu | sed -n 's/^Hypervisor vendor: *//p'");
  const Json& hypervisor = report().at("virtualization").at("hypervisor");
  // lscpu knows no signature of QEMU without KVM.
  EXPECT_TRUE(vendor ? !hypervisor.is_null() : hypervisor.is_null() || hypervisor.at("vendor") == "QEMU TCG") << hypervisor;
  EXPECT_TRUE(vendor != "KVM" || hypervisor.at("vendor") == "KVM") << hypervisor;
  const bool extensions = output_of("grep -m1 -owE 'vmx|svm' /proc/cpuinfo").has_value();
  EXPECT_EQ(!report().at("virtualization").at("cpu_extensions").empty(), extensions);
  EXPECT_EQ(report().at("virtualization").at("kvm_device").at("present"), output_of("ls /dev/kvm").has_value());
}

TEST_F(HostOfThisMachine, VirtioDevicesAreThoseOfSysfs) {
  std::set<std::string> devices;
  for (const Json& one : report().at("virtualization").at("paravirtual_devices"))
    if (one.at("bus") == "virtio") devices.insert(one.at("device").get<std::string>());
  EXPECT_EQ(devices, words_of(output_of("ls /sys/bus/virtio/devices").value_or(""), '\n'));
}

TEST_F(HostOfThisMachine, CgroupMountsAreThoseOfFindmnt) {
  if (!output_of("findmnt /")) GTEST_SKIP() << "findmnt is not installed";
  std::set<std::string> v1, v2;
  for (const Json& one : report().at("cgroups").at("mounts")) (one.at("version") == 1 ? v1 : v2).insert(one.at("path").get<std::string>());
  EXPECT_EQ(v1, words_of(output_of("findmnt -rno TARGET -t cgroup").value_or(""), '\n'));
  EXPECT_EQ(v2, words_of(output_of("findmnt -rno TARGET -t cgroup2").value_or(""), '\n'));
}

TEST_F(HostOfThisMachine, ControllersAreThoseOfTheKernel) {
  std::set<std::string> mine_v1, mine_v2;
  for (const Json& one : report().at("cgroups").at("controllers")) {
    const auto name = one.at("name").get<std::string>();
    if (one.at("hierarchy") != 0) mine_v1.insert(name + " " + std::to_string(one.at("hierarchy").get<int>()));
    if (one.at("version") == 2) mine_v2.insert(name);
  }
  EXPECT_EQ(mine_v1, words_of(output_of("awk '!/^#/ && $2 { print $1, $2 }' /proc/cgroups").value_or(""), '\n'));
  const auto v2 = output_of("cat \"$(findmnt -rno TARGET -t cgroup2 | head -n1)/cgroup.controllers\"");
  EXPECT_EQ(mine_v2, words_of(v2.value_or(""), ' '));
}

TEST_F(HostOfThisMachine, FeaturesAreWhatTheToolsCanDo) {
  if (::geteuid() != 0) GTEST_SKIP() << "making links and mounts to compare with needs root";
  if (!output_of("ip -V")) GTEST_SKIP() << "ip is not installed";
  for (const char* kind : {"veth", "bridge", "dummy"}) {
    const bool made = output_of("unshare --net ip link add probe0 type " + std::string{kind} + " && echo made").has_value();
    EXPECT_EQ(state(kind) == "present", made) << kind << " is " << state(kind);
  }
  const bool vxlan = output_of("unshare --net ip link add probe0 type vxlan id 7 dstport 4789 && echo made").has_value();
  EXPECT_EQ(state("vxlan") == "present", vxlan);
  const bool overlay = output_of("unshare --mount mount -t overlay -o ro,lowerdir=/etc:/usr none /mnt && echo made").has_value();
  EXPECT_EQ(state("overlayfs") == "present", overlay);
  const bool user = output_of("unshare --user true && echo made").has_value();
  EXPECT_EQ(state("namespace-user") == "present", user);
}

TEST_F(HostOfThisMachine, LeavesNothingBehind) {
  if (!output_of("ip -V")) GTEST_SKIP() << "ip is not installed";
  const std::string self = "/proc/" + std::to_string(::getpid());
  const std::string look = "ls /sys/module; cut -d' ' -f5 " + self + "/mountinfo; ls " + self + "/fd " + self +
                           "/task | wc -l; ls -l " + self + "/ns | sed 's/.*-> //'";
  const auto before = output_of(look);
  make_host_probe()->report();
  EXPECT_EQ(output_of(look), before);
}

// Against starting one process in the same run (a millisecond or two): other measures depend on the machine.
TEST_F(HostOfThisMachine, IsReadInAFewMilliseconds) {
  const auto probe = make_host_probe();
  probe->report();
  const auto best_of = [](auto&& work) {
    auto best = std::chrono::nanoseconds::max();
    for (int i = 0; i < 10; ++i) {
      const auto start = std::chrono::steady_clock::now();
      work();
      best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
    }
    return best;
  };
  const auto report_time = best_of([&] { probe->report(); });
  const auto process_time = best_of([] { output_of("/bin/true"); });
  std::printf("report: %.2f ms, a process: %.2f ms\n", static_cast<double>(report_time.count()) / 1e6,
              static_cast<double>(process_time.count()) / 1e6);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int factor = 80;  // instrumented code is slower, the process is not
#else
  constexpr int factor = 8;
#endif
  EXPECT_LT(report_time, factor * process_time);
}

}  // namespace
}  // namespace sovirt::test
