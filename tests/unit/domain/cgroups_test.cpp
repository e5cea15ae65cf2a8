#include "tests/unit/domain/host.hpp"

#include <nlohmann/json.hpp>

#include "api/cgroup.hpp"
#include "daemon/domain/cgroup_calls.hpp"

namespace sovirt::tests {
namespace {

class CgroupKind : public testing::Test {
 protected:
  void SetUp() override { host.start(); }
  ChangeResult cgroup(const std::string& name, const Json& spec = Json::object()) { return host.put(Kind::cgroup, name, spec); }
  Json get(const std::string& name) { return host.service().get(Kind::cgroup, name); }
  Host host;
};

TEST_F(CgroupKind, IsAGroupOfItsNameWithItsLimits) {
  EXPECT_TRUE(cgroup("cpualta", {{"cpu", {{"shares", 717}}}}).created);
  EXPECT_EQ(host.groups.groups(), std::vector<std::string>{"cpualta"});
  EXPECT_EQ(host.groups.limits("cpualta").cpu_shares, 717u);
  EXPECT_EQ(get("cpualta").at("status").at("state"), "ready");
  const auto before = get("cpualta").at("revision");
  EXPECT_FALSE(cgroup("cpualta", {{"cpu", {{"shares", 717}}}}).created);
  EXPECT_EQ(get("cpualta").at("revision"), before);
  host.service().patch(Kind::cgroup, "cpualta", {{"cpu", {{"shares", nullptr}}}}, {});
  EXPECT_TRUE(host.groups.limits("cpualta").empty());
  host.service().remove(Kind::cgroup, "cpualta", {});
  EXPECT_TRUE(host.groups.groups().empty());
}

TEST_F(CgroupKind, LiesInItsParentWhichCannotGoBeforeIt) {
  EXPECT_EQ(code_of([&] { cgroup("inner", {{"parent", "outer"}}); }), Code::not_found);
  cgroup("outer");
  cgroup("inner", {{"parent", "outer"}, {"pids", {{"max", 7}}}});
  EXPECT_EQ(host.groups.limits("outer/inner").pids_max, 7u);
  EXPECT_EQ(code_of([&] { host.service().remove(Kind::cgroup, "outer", {}); }), Code::in_use);
  EXPECT_EQ(code_of([&] { host.service().patch(Kind::cgroup, "inner", {{"parent", nullptr}}, {}); }), Code::conflict);
  EXPECT_EQ(code_of([&] { cgroup("self", {{"parent", "self"}}); }), Code::not_found);
}

TEST_F(CgroupKind, NamesOfTheLaunchersGroupsAreFreeToUse) {
  cgroup("monitors", {{"pids", {{"max", 7}}}});
  EXPECT_EQ(host.groups.groups(), std::vector<std::string>{"monitors.group"});
}

TEST_F(CgroupKind, WithProcessesItCannotGo) {
  cgroup("busy");
  const Json started = host.service().cgroups().add_processes("busy", read_processes_request({{"command", {"sleep", "1"}}}), {});
  const pid_t pid = started.at("items").at(0).at("pid").get<pid_t>();
  EXPECT_EQ(host.service().cgroups().processes("busy").at("items").size(), 1u);
  EXPECT_EQ(code_of([&] { host.service().remove(Kind::cgroup, "busy", {}); }), Code::in_use);
  host.service().cgroups().release_process("busy", pid, {});
  EXPECT_EQ(code_of([&] { host.service().cgroups().release_process("busy", pid, {}); }), Code::not_found);
  host.service().remove(Kind::cgroup, "busy", {});
}

TEST_F(CgroupKind, AFailedLimitLeavesNothing) {
  int failures = 0;
  for (int n = 1; n < 12; ++n) {
    host.groups.fail_call(n, Error{Code::internal, "n-th"});
    try {
      cgroup("x" + std::to_string(n), {{"pids", {{"max", 7}}}});
    } catch (const Error&) {
      ++failures;
      EXPECT_TRUE(host.groups.groups().empty() || host.groups.groups().size() == static_cast<std::size_t>(n - failures));
      EXPECT_EQ(code_of([&] { get("x" + std::to_string(n)); }), Code::not_found);
    }
  }
  EXPECT_GT(failures, 0);
}

TEST_F(CgroupKind, ComesBackAfterABootChildrenAsWell) {
  cgroup("zz", {{"pids", {{"max", 30}}}});
  cgroup("aa", {{"parent", "zz"}, {"cpu", {{"weight", 30}}}, {"frozen", true}});
  host.stop();
  host.groups.forget("zz");
  host.start("boot-2");
  EXPECT_EQ(host.groups.limits("zz").pids_max, 30u);
  EXPECT_EQ(host.groups.limits("zz/aa").cpu_weight, 30u);
  EXPECT_TRUE(host.groups.frozen("zz/aa"));
  EXPECT_EQ(get("aa").at("status").at("state"), "frozen");
}

TEST_F(CgroupKind, GroupsThatNobodyKnowsGoUnlessTheyAreUsed) {
  host.stop();
  host.groups.create("leftover");
  host.groups.create("used");
  host.groups.put("used", 4711);
  host.start();
  EXPECT_EQ(host.groups.groups(), std::vector<std::string>{"used"});
}

TEST_F(CgroupKind, OfAContainerTakesNoProcessAway) {
  host.image();
  host.put(Kind::bridge, "brso1", bridge_spec());
  host.put(Kind::container, "web", container_spec());
  host.state("web", Desired::running);
  cgroup("thief");
  const pid_t init = host.container("web").at("status").at("pid").get<pid_t>();
  host.groups.put(container_group("web", host.container("web").at("uid").get<std::string>()), init);
  ProcessesRequest request;
  request.pid = init;   // the fake's pids are beyond what a request may name
  EXPECT_EQ(conflicts_of([&] { host.service().cgroups().add_processes("thief", request, {}); }), std::vector<std::string>{"container/web"});
}

TEST_F(CgroupKind, ALimitThisHostLacksIsRefusedForContainersToo) {
  host.image();
  host.put(Kind::bridge, "brso1", bridge_spec());
  Json spec = container_spec();
  spec["limits"] = {{"memory", {{"high", 1 << 20}}}};   // the fake is a v1 host
  try {
    host.put(Kind::container, "web", spec);
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    ASSERT_EQ(error.fields().size(), 1u);
    EXPECT_EQ(error.fields()[0].pointer, "/limits/memory/high");
  }
}

}  // namespace
}  // namespace sovirt::tests
