#include "tests/unit/domain/host.hpp"

#include <nlohmann/json.hpp>

namespace sovirt::tests {
namespace {

class GroupEventsOfAHost : public testing::Test {
 protected:
  void SetUp() override { host.start(); }
  std::string uid(Kind kind, const std::string& name) { return host.service().get(kind, name).at("uid").get<std::string>(); }
  Json condition(Kind kind, const std::string& name, const std::string& type) {
    const Json document = host.service().get(kind, name);
    for (const Json& one : document.at("status").at("conditions"))
      if (one.at("type") == type && one.at("status") == true) return one;
    return nullptr;
  }
  std::vector<Event> events(const std::string& type) { return host.service().events(0, {"", "", type}, 100); }
  // A cgroup's watch begins once the daemon has looked at it.
  void watched(const std::string& key) { host.eventually([&] { return host.watch.wish(key).has_value(); }); }
  Host host;
};

TEST_F(GroupEventsOfAHost, AnOomKillIsAConditionAndAnEvent) {
  host.put(Kind::cgroup, "small", {{"memory", {{"max", 1 << 20}}}});
  const std::string key = uid(Kind::cgroup, "small");
  watched(key);
  host.watch.tell({GroupEvent::What::out_of_memory, key, 2, {{4711, "hog"}}, {}});
  const Json found = condition(Kind::cgroup, "small", "OutOfMemory");
  EXPECT_EQ(found.at("reason"), "ProcessKilled");
  EXPECT_EQ(found.at("message"), "the kernel killed hog (4711) and 1 process(es) that it did not name");
  const auto told = events("out-of-memory");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].data, (Json{{"kills", 2}, {"processes", {{{"pid", 4711}, {"name", "hog"}}}}, {"unknown", 1}, {"limit", 1 << 20}}));
  host.service().patch(Kind::cgroup, "small", {{"memory", {{"max", 2 << 20}}}}, {});
  EXPECT_TRUE(condition(Kind::cgroup, "small", "OutOfMemory").is_null());
}

TEST_F(GroupEventsOfAHost, WhatSomebodyChangedIsRepairedOrTold) {
  host.put(Kind::cgroup, "held", {{"pids", {{"max", 7}}}});
  host.put(Kind::cgroup, "seen", {{"pids", {{"max", 7}}}, {"policy", "observe"}});
  for (const std::string name : {"held", "seen"}) {
    watched(uid(Kind::cgroup, name));
    LimitsSpec other;
    other.pids_max = 9;
    host.groups.set_limits(name, other);
    host.watch.tell({GroupEvent::What::changed, uid(Kind::cgroup, name), 0, {}, {}});
    host.eventually([&] { return !condition(Kind::cgroup, name, "Drifted").is_null() || host.groups.limits(name).pids_max == 7u; });
  }
  EXPECT_EQ(host.groups.limits("held").pids_max, 7u);
  EXPECT_EQ(host.groups.limits("seen").pids_max, 9u);
  EXPECT_EQ(events("drifted").size(), 2u);
  EXPECT_EQ(events("repaired").size(), 1u);
}

TEST_F(GroupEventsOfAHost, TriggersOfPressureAreArmedAsAskedAndTold) {
  const Json trigger{{"resource", "memory"}, {"level", "full"}, {"stall", 100'000'000}, {"window", 2'000'000'000}};
  host.put(Kind::cgroup, "tight", {{"pressure", {trigger}}});
  const std::string key = uid(Kind::cgroup, "tight");
  host.eventually([&] { return host.watch.wish(key) && host.watch.wish(key)->pressure.size() == 1; });
  host.watch.tell({GroupEvent::What::pressure, key, 0, {}, host.watch.wish(key)->pressure.at(0)});
  ASSERT_EQ(events("pressure").size(), 1u);
  EXPECT_EQ(events("pressure")[0].data, trigger);
  host.service().patch(Kind::cgroup, "tight", {{"pressure", nullptr}}, {});
  host.eventually([&] { return host.watch.wish(key)->pressure.empty(); });
  host.service().remove(Kind::cgroup, "tight", {});
  host.watch.tell({GroupEvent::What::changed, key, 0, {}, {}});
  EXPECT_FALSE(host.watch.wish(key)) << "what is deleted is watched no more";
}

TEST_F(GroupEventsOfAHost, MemoryLoweredUnderUseIsRefusedOrKillsAsAsked) {
  host.put(Kind::cgroup, "full", {{"memory", {{"max", 8 << 20}}}});
  host.groups.put("full", 4711);
  CgroupUsage usage;
  usage.memory_bytes = 4 << 20;
  host.groups.set_usage("full", usage);
  EXPECT_EQ(code_of([&] { host.service().patch(Kind::cgroup, "full", {{"memory", {{"max", 1 << 20}}}}, {}); }), Code::conflict);
  EXPECT_EQ(host.groups.limits("full").memory_max, 8u << 20);
  host.service().patch(Kind::cgroup, "full", {{"memory", {{"max", 1 << 20}, {"on_excess", "kill"}}}}, {});
  EXPECT_EQ(condition(Kind::cgroup, "full", "MemoryLowered").at("reason"), "Killed");
  ASSERT_EQ(events("memory-lowered").size(), 1u);
  EXPECT_EQ(events("memory-lowered")[0].data.at("killed").at(0).at("pid"), 4711);
}

TEST_F(GroupEventsOfAHost, ContainersAreWatchedWhileTheyRun) {
  host.image();
  host.put(Kind::bridge, "brso1", bridge_spec());
  host.put(Kind::container, "web", container_spec());
  const std::string key = uid(Kind::container, "web");
  EXPECT_FALSE(host.watch.wish(key));
  host.state("web", Desired::running);
  ASSERT_TRUE(host.watch.wish(key));
  EXPECT_TRUE(host.watch.wish(key)->below);
  EXPECT_FALSE(host.watch.wish(key)->files) << "without limits nothing can differ";
  host.watch.tell({GroupEvent::What::out_of_memory, key, 1, {{7, "tail"}}, {}});
  EXPECT_FALSE(condition(Kind::container, "web", "OutOfMemory").is_null());
  host.service().patch(Kind::container, "web", {{"limits", {{"pids", {{"max", 9}}}}}}, {});
  EXPECT_TRUE(host.watch.wish(key)->files);
  host.state("web", Desired::stopped, true);
  EXPECT_FALSE(host.watch.wish(key));
}

}  // namespace
}  // namespace sovirt::tests
