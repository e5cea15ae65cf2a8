#include <csignal>

#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

TEST(Recovery, ARunningContainerIsAdopted) {
  Host host;
  host.start();
  host.image();
  host.put(Kind::bridge, "brso1", bridge_spec());
  host.put(Kind::container, "web", container_spec());
  host.state("web", Desired::running);
  const Json pid = host.container("web").at("status").at("pid");
  host.start();
  EXPECT_EQ(host.state_of("web"), "running");
  EXPECT_EQ(host.container("web").at("status").at("pid"), pid);
  EXPECT_EQ(host.launcher.launches(), 1);
}

TEST(Recovery, AnEndMeanwhileShowsItsTrueStatus) {
  Host host;
  host.start();
  host.image();
  host.put(Kind::container, "job", {{"image", "busy"}});
  host.state("job", Desired::running);
  const std::string uid = host.container("job").at("uid").get<std::string>();
  host.stop();
  host.launcher.end(uid, {42, std::nullopt, now()});
  host.start();
  EXPECT_EQ(host.state_of("job"), "stopped");
  EXPECT_EQ(host.container("job").at("status").at("exit").at("code"), 42);
  EXPECT_EQ(host.service().events(0, {"container", "job", "exited"}, 10).size(), 1U);
  EXPECT_EQ(host.kernel().find("group:"), std::string::npos);
}

// What a crash in the middle of making something leaves behind is taken away.
TEST(Recovery, AnOpenJournalIsUndone) {
  Host host;
  host.start();
  const std::string uid = new_uid("abcdefgh");
  Plan plan;
  plan.add("bridge.create", {{"name", "brx"}, {"uid", uid}, {"mac", "02:00:00:00:00:01"}, {"mtu", 1500}, {"stp", false}}, "create");
  plan.add("address.add", {{"link", "brx"}, {"address", "10.7.0.1/24"}}, "add");
  JournalRow row;
  row.object = "bridge/brx";
  row.uid = uid;
  row.steps = write_steps(plan);
  row.commit = nullptr;
  host.store->begin(row);
  host.network.create_bridge({"brx", uid, Mac::parse("02:00:00:00:00:01"), 1500, false});
  host.start();
  EXPECT_FALSE(host.network.find_link("brx"));
  EXPECT_TRUE(host.store->load().journal.empty());
}

TEST(Recovery, AnOpenTeardownIsCompleted) {
  Host host;
  host.start();
  host.put(Kind::bridge, "brso1", bridge_spec());
  const std::string uid = host.service().get(Kind::bridge, "brso1").at("uid").get<std::string>();
  Plan plan;
  plan.add("bridge.delete", {{"name", "brso1"}, {"uid", uid}}, "delete");
  JournalRow row;
  row.object = "bridge/brso1";
  row.uid = uid;
  row.steps = write_steps(plan);
  row.forward = true;
  Commit commit;
  commit.remove_uid = uid;
  row.commit = write_commit(commit);
  host.store->begin(row);
  host.start();
  EXPECT_FALSE(host.network.find_link("brso1"));
  EXPECT_EQ(code_of([&] { host.service().get(Kind::bridge, "brso1"); }), Code::not_found);
}

TEST(Recovery, OrphansWithOurMarkGoAndOthersStay) {
  Host host;
  host.start();
  host.network.create_bridge({"brmine", "abcdefgh-aaaaaaaaaaaa", std::nullopt, 1500, false});
  host.network.create_bridge({"brother", "otherone-aaaaaaaaaaaa", std::nullopt, 1500, false});
  host.groups.create("gone.aaaaaaaaaaaa");
  host.start();
  EXPECT_FALSE(host.network.find_link("brmine"));
  EXPECT_TRUE(host.network.find_link("brother"));
  EXPECT_TRUE(host.groups.groups().empty());
}

class Boot : public ::testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
    host.put(Kind::bridge, "brso1", bridge_spec());
  }
  // A boot: the kernel has nothing of ours any more.
  void boot(const std::string& id) {
    host.stop();
    for (const std::string& uid : host.launcher.known()) {
      host.launcher.end(uid, {std::nullopt, SIGKILL, now()});
      host.launcher.forget(uid);
    }
    for (const std::string& group : host.groups.groups()) host.groups.remove(group);
    for (const LinkState& link : host.network.marked_links()) host.network.delete_link(link.name, link.mark);
    before_start();
    host.start(id);
  }
  void make(const std::string& name, const std::string& address, const std::string& autostart, int priority = 0) {
    Json spec = container_spec(address);
    spec["autostart"] = autostart;
    spec["boot_priority"] = priority;
    host.put(Kind::container, name, spec);
  }
  std::string result_of(const std::string& name) {
    const Json report = host.service().restore_report();
    for (const Json& item : report.at("items"))
      if (item.at("name") == name) return item.at("result").get<std::string>();
    return "absent";
  }
  std::function<void()> before_start = [] {};
  Host host;
};

TEST_F(Boot, BringsBackWhatIsToRun) {
  make("always", "172.16.2.20/24", "always");
  make("ran", "172.16.2.21/24", "last-state");
  make("rested", "172.16.2.22/24", "last-state");
  make("never", "172.16.2.23/24", "never");
  host.state("ran", Desired::running);
  host.state("never", Desired::running);
  boot("boot-2");
  EXPECT_TRUE(host.network.find_link("brso1"));
  EXPECT_EQ(host.state_of("always"), "running");
  EXPECT_EQ(host.state_of("ran"), "running");
  EXPECT_EQ(host.state_of("rested"), "created");
  EXPECT_EQ(host.state_of("never"), "stopped");
  EXPECT_EQ(result_of("ran"), "restored");
  EXPECT_EQ(result_of("never"), "skipped");
}

TEST_F(Boot, TheOrderlyStopIsRememberedAsRunning) {
  make("ran", "172.16.2.21/24", "last-state");
  host.state("ran", Desired::running);
  host.service().stop_all_containers({});
  EXPECT_EQ(host.state_of("ran"), "stopped");
  boot("boot-2");
  EXPECT_EQ(host.state_of("ran"), "running");
}

TEST_F(Boot, WhatTheOrderlyStopStoppedStartsAgainInTheSameBoot) {
  make("ran", "172.16.2.21/24", "last-state");
  make("never", "172.16.2.22/24", "never");
  host.state("ran", Desired::running);
  host.state("never", Desired::running);
  ChangeContext dry;
  dry.dry_run = true;
  EXPECT_EQ(host.service().stop_all_containers(dry).at("items").size(), 2U);
  EXPECT_EQ(host.state_of("ran"), "running");
  host.service().stop_all_containers({});
  host.service().start_all_containers({});
  EXPECT_EQ(host.state_of("ran"), "running");
  EXPECT_EQ(host.state_of("never"), "stopped");
}

TEST_F(Boot, PrioritiesKeepTheirOrder) {
  make("late", "172.16.2.20/24", "always", 5);
  make("early", "172.16.2.21/24", "always", -5);
  boot("boot-2");
  std::vector<std::string> order;
  for (const Event& event : host.service().events(0, {"container", "", "started"}, 10)) order.push_back(event.name);
  EXPECT_EQ(order, (std::vector<std::string>{"early", "late"}));
}

TEST_F(Boot, WhatWaitsForABridgeStartsWhenItAppears) {
  make("web", "172.16.2.20/24", "always");
  before_start = [&] { host.network.foreign_create_link("brso1", "bridge"); };
  boot("boot-2");
  EXPECT_EQ(result_of("brso1"), "failed");
  EXPECT_EQ(result_of("web"), "waiting");
  EXPECT_EQ(host.state_of("web"), "failed");
  EXPECT_TRUE(host.network.find_link("brso1")->mark.empty());
  host.network.foreign_delete_link("brso1");
  Host::eventually([&] { return host.state_of("web") == "running"; });
  EXPECT_EQ(result_of("brso1"), "restored");
  EXPECT_EQ(result_of("web"), "restored");
}

}  // namespace
}  // namespace sovirt::tests
