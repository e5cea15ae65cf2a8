// The kernel's tree, looked at from outside: by the files below the hierarchies' mount points.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/fork_events.hpp"
#include "daemon/kernel/cgroup/kernel_cgroup_tree.hpp"
#include "tests/contract/cgroup/real_trees.hpp"
#include "tests/contract/cgroup/sleeper.hpp"

namespace sovirt::test {
namespace {

namespace fs = std::filesystem;
using std::chrono_literals::operator""ms;
using Clock = std::chrono::steady_clock;

std::string slurp(const fs::path& file) {
  std::ifstream in{file};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

void write_file(const fs::path& file, const std::string& text) {
  std::ofstream out{file};
  out << text << std::flush;
  if (!out) throw std::runtime_error("cannot write " + file.string());
}

class KernelCgroups : public testing::TestWithParam<Versions> {
 protected:
  void SetUp() override {
    real_ = make_real_tree(GetParam());
    if (!real_.ports.tree) GTEST_SKIP() << "needs root and a writable hierarchy of this version of cgroups";
  }
  void TearDown() override {
    if (!real_.ports.tree) return;
    empty_tree(*real_.ports.tree);
    for (const auto& at : find_hierarchies()) EXPECT_FALSE(fs::exists(own(at))) << own(at) << " is left";
  }
  CgroupTree& tree() { return *real_.ports.tree; }
  std::vector<CgroupHierarchy> hierarchies() { return hierarchies_of(GetParam()); }
  fs::path own(const CgroupHierarchy& at) { return fs::path{at.mount} / parent_below_mount(at, test_parent()) / ("sovirt-" + real_.instance); }

  // The group's file in the hierarchy that has the controller; empty where there is none.
  std::optional<fs::path> file(const std::string& controller, const std::string& v1, const std::string& v2) {
    std::optional<fs::path> found;
    for (const CgroupHierarchy& at : hierarchies()) {
      const bool here = at.version == 2 || std::count(at.controllers.begin(), at.controllers.end(), controller) > 0;
      const fs::path path = own(at) / "web" / (at.version == 2 ? v2 : v1);
      if (here && !found && fs::exists(path)) found = path;
    }
    return found;
  }

  RealTree real_;
};

std::string host_name(const testing::TestParamInfo<Versions>& info) {
  static constexpr const char* names[] = {"AsMounted", "V1Only", "V2Only"};
  return names[static_cast<int>(info.param)];
}
INSTANTIATE_TEST_SUITE_P(Hosts, KernelCgroups, testing::Values(Versions::all, Versions::v1_only, Versions::v2_only), host_name);

TEST_P(KernelCgroups, DirectoryOfTheDaemonComesAndGoes) {
  for (const auto& at : hierarchies()) EXPECT_FALSE(fs::exists(own(at)));
  tree().create("web");
  tree().create("db");
  for (const auto& at : hierarchies()) EXPECT_TRUE(fs::is_directory(own(at) / "web")) << own(at);
  tree().remove("web");
  for (const auto& at : hierarchies()) EXPECT_TRUE(fs::is_directory(own(at))) << own(at);
  tree().remove("db");
  for (const auto& at : hierarchies()) EXPECT_FALSE(fs::exists(own(at))) << own(at);
}

TEST_P(KernelCgroups, GroupsOfOthersStay) {
  const RealTree other = make_real_tree(GetParam());
  other.ports.tree->create("web");
  tree().create("web");
  EXPECT_TRUE(tree().remove("web"));
  EXPECT_EQ(other.ports.tree->groups(), std::vector<std::string>{"web"});
  EXPECT_TRUE(other.ports.tree->remove("web"));
}

TEST_P(KernelCgroups, RemovesWhatWasNested) {
  tree().create("web");
  for (const auto& at : hierarchies()) {
    fs::path deep = own(at) / "web";
    for (int i = 0; i < 40; ++i) fs::create_directory(deep /= "n");
    for (int i = 0; i < 20; ++i) fs::create_directory(own(at) / "web" / ("w" + std::to_string(i)));
  }
  EXPECT_TRUE(tree().remove("web"));
  for (const auto& at : hierarchies()) EXPECT_FALSE(fs::exists(own(at))) << own(at);
}

TEST_P(KernelCgroups, ProcessesOfNestedGroupsBelong) {
  Sleeper a;
  tree().create("web");
  attach(tree(), "web", a.pid());
  const auto at = hierarchies().front();
  fs::create_directory(own(at) / "web" / "inner");
  write_file(own(at) / "web" / "inner" / "cgroup.procs", std::to_string(a.pid()));
  EXPECT_EQ(tree().processes("web"), std::vector<pid_t>{a.pid()});
  tree().kill("web");
  EXPECT_TRUE(tree().processes("web").empty());
}

TEST_P(KernelCgroups, KillIsFasterThanForking) {
  Sleeper a{Sleeper::Work::multiply};
  tree().create("web");
  attach(tree(), "web", a.pid());
  a.go();
  while (tree().processes("web").size() < 5) std::this_thread::sleep_for(1ms);
  const auto start = Clock::now();
  tree().kill("web");
  EXPECT_LT(Clock::now() - start, 3000ms);
  EXPECT_TRUE(tree().processes("web").empty());
  EXPECT_TRUE(tree().remove("web"));
}

// One that died between the hierarchies it was being attached to.
// Orphans in sessions of their own: nothing but the kernel's word of each fork tells whose they are.
TEST_P(KernelCgroups, AttachFollowsChainsThatForkAndEnd) {
  if (!ForkEvents::subscribe()) GTEST_SKIP() << "the kernel tells of forks in the host's own namespaces only";
  tree().create("web");
  Sleeper chain{Sleeper::Work::chain};
  chain.go();
  std::this_thread::sleep_for(5ms);
  real_.ports.members->attach("web", chain.pid(), true);
  std::vector<pid_t> inside;
  for (int i = 0; i < 1000 && (inside.size() != 11 || i < 300); ++i) {
    std::this_thread::sleep_for(10ms);
    inside = tree().processes("web");
  }
  EXPECT_EQ(inside.size(), 11u);
  tree().kill("web");   // ours are ended by this; a link that escaped would live on
}

TEST_P(KernelCgroups, KillReachesTheHalfAttached) {
  Sleeper a;
  tree().create("web");
  const auto at = hierarchies().back();
  write_file(own(at) / "web" / "cgroup.procs", std::to_string(a.pid()));
  tree().kill("web");
  EXPECT_TRUE(tree().remove("web"));
}

TEST_P(KernelCgroups, LimitsAreInTheFiles) {
  tree().create("web");
  LimitsSpec limits;
  const auto memory = file("memory", "memory.limit_in_bytes", "memory.max");
  const auto pids = file("pids", "pids.max", "pids.max");
  const auto weight = file("cpu", "cpu.shares", "cpu.weight");
  if (!memory || !pids || !weight) GTEST_SKIP() << "the memory, pids and cpu controllers are not all on this version of cgroups";
  limits.memory_max = 512 << 20;
  limits.pids_max = 77;
  limits.cpu_weight = 70;
  limits.cpu_max = CpuQuota{std::chrono::milliseconds{50}, std::chrono::milliseconds{100}};
  tree().set_limits("web", limits);
  EXPECT_EQ(slurp(*memory), "536870912");
  EXPECT_EQ(slurp(*pids), "77");
  const bool v1 = weight->filename() == "cpu.shares";
  EXPECT_EQ(slurp(*weight), v1 ? "717" : "70");
  EXPECT_EQ(slurp(weight->parent_path() / (v1 ? "cpu.cfs_quota_us" : "cpu.max")), v1 ? "50000" : "50000 100000");
  tree().set_limits("web", {});
  EXPECT_EQ(slurp(*pids), "max");
  EXPECT_EQ(slurp(*weight), v1 ? "1024" : "100");
  EXPECT_EQ(slurp(weight->parent_path() / (v1 ? "cpu.cfs_quota_us" : "cpu.max")), v1 ? "-1" : "max 100000");
}

TEST_P(KernelCgroups, ALimitTheKernelRefusesLeavesTheOthers) {
  tree().create("web");
  const auto memory = file("memory", "memory.limit_in_bytes", "memory.max");
  const auto pids = file("pids", "pids.max", "pids.max");
  if (!memory || !pids) GTEST_SKIP() << "the memory and pids controllers are not both on this version of cgroups";
  const std::string before = slurp(*memory);
  LimitsSpec limits;
  limits.memory_max = 512 << 20;
  limits.pids_max = 1ULL << 40;  // beyond PID_MAX_LIMIT
  try {
    tree().set_limits("web", limits);
    FAIL() << "taken: " << slurp(*pids);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid) << error.detail();
  }
  EXPECT_EQ(slurp(*memory), before);
}

TEST_P(KernelCgroups, CpuTimeIsWhatTheProcessUsed) {
  Sleeper a{Sleeper::Work::count};
  tree().create("web");
  attach(tree(), "web", a.pid());
  const auto before = tree().usage("web").cpu_ns;
  a.go();
  std::this_thread::sleep_for(300ms);
  tree().set_frozen("web", true);
  const auto used = *tree().usage("web").cpu_ns - *before;
  tree().set_frozen("web", false);  // or v1 keeps it from dying at the end of this scope
  EXPECT_GT(used, 30'000'000u);
  EXPECT_LT(used, 400'000'000u);
}

// The least time of one call, in nanoseconds: what others do on the machine only adds to it.
template <class Work>
std::int64_t time_of(Work&& work) {
  std::vector<Clock::duration> rounds;
  for (int i = 0; i < 11; ++i) {
    const auto start = Clock::now();
    for (int k = 0; k < 40; ++k) work();
    rounds.push_back((Clock::now() - start) / 40);
  }
  return std::chrono::nanoseconds{*std::min_element(rounds.begin(), rounds.end())}.count();
}

// Against reading the same files by their whole paths in the same run: other measures depend on the machine.
TEST_P(KernelCgroups, UsageIsCheap) {
  tree().create("web");
  Sleeper a;
  attach(tree(), "web", a.pid());
  std::vector<fs::path> files;
  for (const auto& [controller, v1, v2] : {std::array{"cpuacct", "cpuacct.usage", "cpu.stat"},
                                           std::array{"memory", "memory.usage_in_bytes", "memory.current"},
                                           std::array{"memory", "memory.limit_in_bytes", "memory.max"},
                                           std::array{"pids", "pids.current", "pids.current"}})
    if (const auto found = file(controller, v1, v2)) files.push_back(*found);
  const auto floor = time_of([&] {
    for (const fs::path& path : files) {
      char text[1024];
      const unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
      if (::read(fd.get(), text, sizeof text) <= 0) throw std::runtime_error(path);
    }
  });
  const auto ours = time_of([&] { tree().usage("web"); });
  std::printf("usage: %.1f us, reading the files: %.1f us\n", static_cast<double>(ours) / 1000, static_cast<double>(floor) / 1000);
  EXPECT_LT(ours, 8 * floor);
}

TEST_P(KernelCgroups, RenameTakesTheProcessesAlongOnV1Only) {
  tree().create("web");
  if (!tree().needs_attach()) GTEST_SKIP() << "v2 does not rename";
  Sleeper a;
  const CgroupPlacement placement = tree().placement("web");
  for (const auto& at : hierarchies())
    if (at.version == 1) write_file(own(at) / "web" / "cgroup.procs", std::to_string(a.pid()));
  tree().rename("web", "shop");
  EXPECT_EQ(tree().processes("shop"), std::vector<pid_t>{a.pid()});
  for (const auto& at : hierarchies()) {
    EXPECT_TRUE(fs::exists(own(at) / "shop")) << own(at);
    EXPECT_FALSE(fs::exists(own(at) / "web")) << own(at);
  }
}

TEST_P(KernelCgroups, RenameWithAProcessOnTheV2SideChangesNothing) {
  tree().create("web");
  const auto last = hierarchies().back();
  if (!tree().needs_attach() || last.version != 2) GTEST_SKIP() << "only where v1 and v2 are both used";
  Sleeper a;
  attach(tree(), "web", a.pid());
  try {
    tree().rename("web", "shop");
    FAIL() << "renamed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::conflict) << error.detail();
  }
  EXPECT_EQ(tree().groups(), std::vector<std::string>{"web"});
  EXPECT_EQ(tree().processes("web"), std::vector<pid_t>{a.pid()});
}

// systemd in a container does this: moves itself into a group below and passes controllers on. Then clone3 into the
// container's own group is EBUSY.
TEST_P(KernelCgroups, PlacementAvoidsAGroupThatPassedItsControllersOn) {
  tree().create("web");
  const auto at = hierarchies().back();
  const std::string available = at.version == 2 ? slurp(own(at) / "web" / "cgroup.controllers") : "";
  if (available.empty()) GTEST_SKIP() << "no controller is on v2 here";
  Sleeper a;
  write_file(own(at) / "web" / "cgroup.subtree_control", "+" + available.substr(0, available.find(' ')));
  attach(tree(), "web", a.pid());
  EXPECT_EQ(tree().processes("web"), std::vector<pid_t>{a.pid()});
  tree().kill("web");
  EXPECT_TRUE(tree().remove("web"));
}

TEST(KernelCgroupParent, MissingOnV2IsSaid) {
  auto hierarchies = hierarchies_of(Versions::v2_only);
  if (hierarchies.empty()) GTEST_SKIP() << "no writable cgroup v2 here";
  try {
    make_cgroup_tree({"ct" + std::to_string(::getpid()), "/no/such.slice"}, hierarchies);
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unavailable);
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST(KernelCgroupParent, WithProcessesOfItsOwnIsSaidAndLeftAsItIs) {
  auto hierarchies = hierarchies_of(Versions::v2_only);
  const RealTree outer = make_real_tree(Versions::v2_only);
  if (!outer.ports.tree) GTEST_SKIP() << "needs root and a writable cgroup v2";
  outer.ports.tree->create("web");
  const fs::path group = hierarchies.front().mount + outer.ports.tree->path("web");
  if (slurp(group / "cgroup.controllers").empty()) {
    outer.ports.tree->remove("web");
    GTEST_SKIP() << "no controller is on v2 here";
  }
  Sleeper a;
  attach(*outer.ports.tree, "web", a.pid());
  const auto inner = make_cgroup_tree({"inner", outer.ports.tree->path("web")}, hierarchies);
  try {
    inner->create("x");
    ADD_FAILURE() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unavailable) << error.detail();
    EXPECT_FALSE(error.hint().empty());
  }
  EXPECT_EQ(slurp(group / "cgroup.type"), "domain");
  EXPECT_EQ(slurp(group / "cgroup.subtree_control"), "");
  EXPECT_FALSE(fs::exists(group / "sovirt-inner"));
  empty_tree(*outer.ports.tree);
}

TEST(KernelCgroupParent, NoHierarchyIsUnsupported) {
  try {
    make_cgroup_tree({"ct" + std::to_string(::getpid()), "/"}, {});
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
  }
}

}  // namespace
}  // namespace sovirt::test
