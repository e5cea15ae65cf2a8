// What every CgroupTree does, the fake like the kernel's: the fake is only worth as much as it behaves like this.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include <nlohmann/json.hpp>

#include "daemon/base/error.hpp"
#include "tests/contract/cgroup/real_trees.hpp"
#include "tests/contract/cgroup/sleeper.hpp"
#include "tests/fakes/cgroup/fake_cgroup_tree.hpp"

namespace sovirt::test {
namespace {

using std::chrono_literals::operator""ms;

template <bool v1>
struct FakeHost {
  static constexpr bool real = false;
  std::unique_ptr<FakeCgroupTree> tree = make();
  static std::unique_ptr<FakeCgroupTree> make() {
    FakeCgroupTree::Host host;
    host.v1 = v1;
    auto fake = std::make_unique<FakeCgroupTree>(host);
    fake->on_kill = [](pid_t pid) { ::kill(pid, SIGKILL); };
    return fake;
  }
  void put(const std::string& group, pid_t pid) { tree->put(group, pid); }
  CgroupMeters& meters() { return *tree; }
  CgroupMembers& members() { return *tree; }
};

template <Versions versions>
struct RealHost {
  static constexpr bool real = true;
  RealTree real_tree = make_real_tree(versions);
  std::unique_ptr<CgroupTree> tree = std::move(real_tree.ports.tree);
  CgroupMeters& meters() { return *real_tree.ports.meters; }
  CgroupMembers& members() { return *real_tree.ports.members; }
  void put(const std::string& group, pid_t pid) { attach(*tree, group, pid); }
  ~RealHost() {
    if (tree) empty_tree(*tree);
  }
};

template <class Host>
class CgroupContract : public testing::Test {
 protected:
  void SetUp() override {
    if (!host.tree) GTEST_SKIP() << "needs root and a writable hierarchy of this version of cgroups";
  }
  CgroupTree& tree() { return *host.tree; }
  void put(const std::string& group, const Sleeper& sleeper) { host.put(group, sleeper.pid()); }
  bool has(const std::string& controller) {
    const auto all = tree().controllers();
    return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.name == controller && one.used; });
  }
  Host host;
};

using Hosts = testing::Types<FakeHost<true>, FakeHost<false>, RealHost<Versions::all>, RealHost<Versions::v1_only>,
                             RealHost<Versions::v2_only>>;
struct HostNames {
  template <class Host>
  static std::string GetName(int i) {
    static constexpr const char* names[] = {"FakeV1", "FakeV2", "AsMounted", "V1Only", "V2Only"};
    return names[i];
  }
};
TYPED_TEST_SUITE(CgroupContract, Hosts, HostNames);

template <class Work>
Code code_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error was thrown";
  return Code::internal;
}

bool dies(Sleeper& sleeper) {
  for (int i = 0; i < 2000; ++i) {
    if (sleeper.dead()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

using Names = std::vector<std::string>;
using Pids = std::vector<pid_t>;

TYPED_TEST(CgroupContract, CreateRepeatedIsOneGroup) {
  this->tree().create("web.abc");
  this->tree().create("web.abc");
  this->tree().create("monitors");
  EXPECT_EQ(this->tree().groups(), (Names{"monitors", "web.abc"}));
}

TYPED_TEST(CgroupContract, RemoveSaysWhetherItWasThere) {
  this->tree().create("web.abc");
  EXPECT_TRUE(this->tree().remove("web.abc"));
  EXPECT_FALSE(this->tree().remove("web.abc"));
  EXPECT_EQ(this->tree().groups(), Names{});
}

TYPED_TEST(CgroupContract, CreateAfterTheLastWasRemoved) {
  for (int i = 0; i < 3; ++i) {
    this->tree().create("web.abc");
    EXPECT_TRUE(this->tree().remove("web.abc"));
  }
}

TYPED_TEST(CgroupContract, RefusesNamesThatAreNoGroup) {
  for (const std::string& name : Names{"", ".", "..", ".x", "/a", "a/", "a//b", "a/../b", "a/.b", "A", "a b", "a\n", std::string(81, 'a'), std::string("a\0b", 3)}) {
    EXPECT_EQ(code_of([&] { this->tree().create(name); }), Code::bad_name) << name;
    EXPECT_EQ(code_of([&] { this->tree().remove(name); }), Code::bad_name) << name;
  }
  this->tree().create(std::string(80, 'a'));
  EXPECT_EQ(this->tree().groups().size(), 1u);
}

TYPED_TEST(CgroupContract, AbsentGroup) {
  auto& tree = this->tree();
  EXPECT_EQ(tree.processes("nobody"), Pids{});
  EXPECT_NO_THROW(tree.kill("nobody"));
  EXPECT_FALSE(tree.remove("nobody"));
  EXPECT_EQ(code_of([&] { tree.placement("nobody"); }), Code::not_found);
  EXPECT_EQ(code_of([&] { tree.set_frozen("nobody", true); }), Code::not_found);
  EXPECT_EQ(code_of([&] { tree.usage("nobody"); }), Code::not_found);
  EXPECT_EQ(code_of([&] { tree.set_limits("nobody", {}); }), Code::not_found);
  EXPECT_EQ(code_of([&] { tree.create("nobody/child"); }), Code::not_found);
  EXPECT_EQ(code_of([&] { this->host.meters().stats("nobody"); }), Code::not_found);
  EXPECT_EQ(code_of([&] { this->host.members().attach("nobody", 1, false); }), Code::not_found);
  EXPECT_EQ(this->host.meters().compare("nobody", {}), GroupState::absent);
  EXPECT_TRUE(this->host.meters().controllers("nobody", {}, true).empty());
  EXPECT_EQ(tree.groups(), Names{});
}

TYPED_TEST(CgroupContract, PathEndsInTheGroup) {
  const std::string path = this->tree().path("web.abc");
  EXPECT_TRUE(path.starts_with("/")) << path;
  EXPECT_TRUE(path.ends_with("/web.abc")) << path;
}

TYPED_TEST(CgroupContract, PlacementFitsNeedsAttach) {
  this->tree().create("web.abc");
  const CgroupPlacement placement = this->tree().placement("web.abc");
  EXPECT_EQ(this->tree().needs_attach(), !placement.procs_v1.empty());
  EXPECT_TRUE(this->tree().needs_attach() || placement.directory_v2);
}

TYPED_TEST(CgroupContract, ProcessesAreListedOnceAndOfOneGroup) {
  Sleeper a, b, c;
  this->tree().create("web.abc");
  this->tree().create("db.abc");
  this->put("web.abc", a);
  this->put("web.abc", b);
  this->put("db.abc", c);
  EXPECT_EQ(this->tree().processes("web.abc"), (Pids{std::min(a.pid(), b.pid()), std::max(a.pid(), b.pid())}));
  EXPECT_EQ(this->tree().processes("db.abc"), Pids{c.pid()});
  this->put("db.abc", a);
  EXPECT_EQ(this->tree().processes("web.abc"), Pids{b.pid()});
}

TYPED_TEST(CgroupContract, RemoveWithAProcessIsAConflictAndChangesNothing) {
  Sleeper a;
  this->tree().create("web.abc");
  this->put("web.abc", a);
  EXPECT_EQ(code_of([&] { this->tree().remove("web.abc"); }), Code::conflict);
  EXPECT_EQ(this->tree().processes("web.abc"), Pids{a.pid()});
}

TYPED_TEST(CgroupContract, KillLeavesNobody) {
  Sleeper a, b;
  this->tree().create("web.abc");
  this->put("web.abc", a);
  this->put("web.abc", b);
  this->tree().kill("web.abc");
  EXPECT_EQ(this->tree().processes("web.abc"), Pids{});
  EXPECT_TRUE(dies(a));
  EXPECT_TRUE(dies(b));
  EXPECT_TRUE(this->tree().remove("web.abc"));
}

TYPED_TEST(CgroupContract, KillReachesTheFrozenAndThaws) {
  Sleeper a;
  this->tree().create("web.abc");
  this->put("web.abc", a);
  this->tree().set_frozen("web.abc", true);
  this->tree().kill("web.abc");
  EXPECT_EQ(this->tree().processes("web.abc"), Pids{});
  EXPECT_TRUE(dies(a));
  if constexpr (TypeParam::real) {
    Sleeper next{Sleeper::Work::count};
    this->put("web.abc", next);
    next.go();
    for (int i = 0; i < 1000 && next.counted() == 0; ++i) std::this_thread::sleep_for(1ms);
    EXPECT_GT(next.counted(), 0u);
  }
}

TYPED_TEST(CgroupContract, FreezeAndThawOfAnEmptyGroup) {
  this->tree().create("web.abc");
  this->tree().set_frozen("web.abc", true);
  this->tree().set_frozen("web.abc", true);
  this->tree().set_frozen("web.abc", false);
  EXPECT_TRUE(this->tree().remove("web.abc"));
}

TYPED_TEST(CgroupContract, FreezeStopsAndThawGoesOn) {
  this->tree().create("web.abc");
  if constexpr (!TypeParam::real) {  // runs nothing that could be seen to stop
    this->tree().set_frozen("web.abc", true);
    EXPECT_TRUE(this->host.tree->frozen("web.abc"));
    this->tree().set_frozen("web.abc", false);
    EXPECT_FALSE(this->host.tree->frozen("web.abc"));
  } else {
    Sleeper a{Sleeper::Work::count};
    this->put("web.abc", a);
    a.go();
    while (a.counted() == 0) std::this_thread::sleep_for(1ms);
    this->tree().set_frozen("web.abc", true);
    const auto before = a.counted();
    std::this_thread::sleep_for(30ms);
    EXPECT_EQ(a.counted(), before);
    this->tree().set_frozen("web.abc", false);
    for (int i = 0; i < 1000 && a.counted() == before; ++i) std::this_thread::sleep_for(1ms);
    EXPECT_GT(a.counted(), before);
  }
}

TYPED_TEST(CgroupContract, UsageCountsProcesses) {
  Sleeper a, b;
  this->tree().create("web.abc");
  this->put("web.abc", a);
  this->put("web.abc", b);
  const CgroupUsage usage = this->tree().usage("web.abc");
  EXPECT_EQ(usage.pids, this->has("pids") ? std::optional<std::uint64_t>{2} : std::nullopt);
  EXPECT_EQ(usage.memory_bytes.has_value(), this->has("memory"));
  EXPECT_EQ(usage.memory_max_bytes, std::nullopt);
  EXPECT_TRUE(usage.cpu_ns.has_value());
}

TYPED_TEST(CgroupContract, LimitsAreSetAndLifted) {
  this->tree().create("web.abc");
  if (!this->has("memory")) {
    LimitsSpec asked;
    asked.memory_max = 64 << 20;
    try {
      this->tree().set_limits("web.abc", asked);
      FAIL() << "a limit without a controller was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::unsupported);
      EXPECT_NE(error.detail().find("memory"), std::string::npos) << error.detail();
    }
    return;
  }
  LimitsSpec asked;
  asked.memory_max = 64 << 20;
  asked.pids_max = 100;
  asked.cpu_weight = 50;
  this->tree().set_limits("web.abc", asked);
  EXPECT_EQ(this->tree().usage("web.abc").memory_max_bytes, 64u << 20);
  this->tree().set_limits("web.abc", {});
  EXPECT_EQ(this->tree().usage("web.abc").memory_max_bytes, std::nullopt);
}

TYPED_TEST(CgroupContract, CompareTellsWhatIsInForce) {
  auto& meters = this->host.meters();
  this->tree().create("web.abc");
  EXPECT_EQ(meters.compare("web.abc", {}), GroupState::same);
  LimitsSpec asked;
  if (this->has("pids")) asked.pids_max = 77;
  if (this->has("memory")) asked.memory_max = 64 << 20;
  if (this->has("cpu")) asked.cpu_max = CpuQuota{20ms, 50ms}, asked.cpu_shares = 307;
  if (this->has("cpuset")) asked.cpuset_cpus = "0";
  if (asked.empty()) GTEST_SKIP() << "no controller here limits anything";
  EXPECT_NO_THROW(meters.check(asked));
  EXPECT_EQ(meters.compare("web.abc", asked), GroupState::differs);
  this->tree().set_limits("web.abc", asked);
  EXPECT_EQ(meters.compare("web.abc", asked), GroupState::same);
  EXPECT_EQ(meters.compare("web.abc", {}), GroupState::differs);
  this->tree().set_limits("web.abc", {});
  EXPECT_EQ(meters.compare("web.abc", {}), GroupState::same);
}

TYPED_TEST(CgroupContract, ControllersShowAskedAndEffective) {
  auto& meters = this->host.meters();
  this->tree().create("web.abc");
  LimitsSpec asked;
  asked.pids_max = 77;
  EXPECT_TRUE(meters.controllers("web.abc", {}, false).empty());
  if (!this->has("pids")) {
    EXPECT_EQ(code_of([&] { meters.check(asked); }), Code::unsupported);
    return;
  }
  this->tree().set_limits("web.abc", asked);
  const Json shown = meters.controllers("web.abc", asked, false);
  ASSERT_EQ(shown.size(), 1u) << shown;
  const Json& limit = shown.at("pids").at("limits").at("max");
  EXPECT_EQ(limit.at("requested"), 77);
  EXPECT_EQ(limit.at("effective"), 77);
  EXPECT_TRUE(limit.at("file").template get<std::string>().ends_with("pids.max")) << limit;
  EXPECT_GT(meters.controllers("web.abc", asked, true).size(), 1u);
}

TYPED_TEST(CgroupContract, CheckRefusesCpusThatAreNotThere) {
  LimitsSpec asked;
  asked.cpuset_cpus = "0-8000";
  EXPECT_EQ(code_of([&] { this->host.meters().check(asked); }), this->has("cpuset") ? Code::invalid : Code::unsupported);
  EXPECT_EQ(this->tree().groups(), Names{}) << "the look left something";
}

TYPED_TEST(CgroupContract, GroupsLieInGroups) {
  auto& tree = this->tree();
  Sleeper a, b;
  tree.create("outer");
  this->put("outer", a);
  tree.create("outer/inner");
  tree.create("outer/inner");
  this->put("outer/inner", b);
  EXPECT_EQ(tree.groups(), Names{"outer"});
  EXPECT_EQ(tree.processes("outer/inner"), Pids{b.pid()});
  EXPECT_EQ(tree.processes("outer").size(), 2u);
  EXPECT_EQ(this->host.members().group_of(b.pid()), "outer/inner");
  EXPECT_EQ(code_of([&] { tree.remove("outer/inner"); }), Code::conflict);
  tree.kill("outer");
  EXPECT_EQ(tree.processes("outer/inner"), Pids{});
  EXPECT_TRUE(dies(a) && dies(b));
  EXPECT_TRUE(tree.remove("outer/inner"));
  EXPECT_TRUE(tree.remove("outer"));
}

TYPED_TEST(CgroupContract, AttachMovesOneAndReleaseLetsGo) {
  Sleeper a;
  auto& members = this->host.members();
  this->tree().create("web.abc");
  EXPECT_EQ(members.attach("web.abc", a.pid(), false), Pids{a.pid()});
  EXPECT_EQ(this->tree().processes("web.abc"), Pids{a.pid()});
  EXPECT_EQ(members.attach("web.abc", a.pid(), false), Pids{a.pid()}) << "repeated";
  members.release(a.pid());
  EXPECT_EQ(this->tree().processes("web.abc"), Pids{});
  EXPECT_EQ(members.group_of(a.pid()), "");
  EXPECT_EQ(code_of([&] { members.attach("web.abc", ::getpid(), false); }), Code::conflict);
  const pid_t dead = a.pid();
  ::kill(dead, SIGKILL);
  EXPECT_TRUE(dies(a));
  EXPECT_EQ(code_of([&] { members.attach("web.abc", dead, true); }), Code::not_found);
}

TYPED_TEST(CgroupContract, AttachTakesTheDescendants) {
  // The table cannot end what it did not see being forked.
  Sleeper a{TypeParam::real ? Sleeper::Work::multiply : Sleeper::Work::sleep};
  this->tree().create("web.abc");
  a.go();
  const auto moved = this->host.members().attach("web.abc", a.pid(), true);
  EXPECT_GE(moved.size(), 1u);
  if constexpr (TypeParam::real) {   // what is forked later is in the group by itself; the table does not fork
    for (int i = 0; i < 5000 && this->tree().processes("web.abc").size() < 65; ++i) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(this->tree().processes("web.abc").size(), 65u);
  }
  this->tree().kill("web.abc");
}

TYPED_TEST(CgroupContract, FrozenIsToldAndStatsHaveTheParts) {
  this->tree().create("web.abc");
  EXPECT_FALSE(this->host.meters().frozen("web.abc"));
  this->tree().set_frozen("web.abc", true);
  EXPECT_TRUE(this->host.meters().frozen("web.abc"));
  this->tree().set_frozen("web.abc", false);
  const Json stats = this->host.meters().stats("web.abc");
  for (const char* part : {"cpu", "memory", "pids", "io", "pressure"}) EXPECT_TRUE(stats.contains(part)) << part;
  EXPECT_TRUE(stats.at("cpu").at("usage_ns").is_number());
}

TYPED_TEST(CgroupContract, NoLimitsCanAlwaysBeSet) {
  this->tree().create("web.abc");
  EXPECT_NO_THROW(this->tree().set_limits("web.abc", {}));
}

TYPED_TEST(CgroupContract, RenameKeepsTheGroup) {
  auto& tree = this->tree();
  tree.create("old");
  if (!tree.needs_attach()) {
    EXPECT_EQ(code_of([&] { tree.rename("old", "new"); }), Code::unsupported);
    EXPECT_EQ(tree.groups(), Names{"old"});
    return;
  }
  tree.rename("old", "new");
  EXPECT_EQ(tree.groups(), Names{"new"});
  EXPECT_NO_THROW(tree.rename("old", "new")) << "repeated";
  tree.create("third");
  EXPECT_EQ(code_of([&] { tree.rename("third", "new"); }), Code::exists);
  EXPECT_EQ(code_of([&] { tree.rename("nobody", "else"); }), Code::not_found);
  EXPECT_EQ(tree.groups(), (Names{"new", "third"}));
}

TYPED_TEST(CgroupContract, ThreadsWithGroupsOfTheirOwn) {
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const std::string name = "t" + std::to_string(t);
      try {
        for (int i = 0; i < 25; ++i) {
          this->tree().create(name);
          this->tree().placement(name);
          if (!this->tree().remove(name)) ++failures;
        }
      } catch (const Error& error) {
        ADD_FAILURE() << error.detail();
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(this->tree().groups(), Names{});
}

TEST(FakeCgroupTree, FailsTheCallItWasTold) {
  FakeCgroupTree fake;
  fake.fail_call(2, Error{Code::disk_full, "no room"});
  fake.create("a");
  EXPECT_EQ(code_of([&] { fake.create("b"); }), Code::disk_full);
  EXPECT_EQ(fake.groups(), Names{"a"});
}

}  // namespace
}  // namespace sovirt::test
