#include <csignal>

#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

class Containers : public ::testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
    host.put(Kind::bridge, "brso1", bridge_spec());
    before_ = host.kernel();
  }
  Host host;
  std::string before_;
};

TEST_F(Containers, AWholeLifeLeavesNothing) {
  host.put(Kind::container, "web", container_spec());
  EXPECT_EQ(host.state_of("web"), "created");
  host.state("web", Desired::running);
  EXPECT_EQ(host.state_of("web"), "running");
  const Json status = host.container("web").at("status");
  EXPECT_EQ(status.at("addresses").at(0), "172.16.2.10/24");
  host.state("web", Desired::frozen);
  EXPECT_EQ(host.state_of("web"), "frozen");
  host.state("web", Desired::running);
  host.state("web", Desired::stopped);
  EXPECT_EQ(host.state_of("web"), "stopped");
  EXPECT_EQ(host.container("web").at("status").at("exit").at("signal"), SIGTERM);
  host.service().remove(Kind::container, "web", {});
  EXPECT_EQ(host.kernel(), before_);
}

TEST_F(Containers, DuplicatesNameTheHolder) {
  Json spec = container_spec();
  spec["nics"][0]["mac"] = "4a:49:43:49:79:bf";
  host.put(Kind::container, "one", spec);
  Json other = container_spec("172.16.2.11/24");
  other["nics"][0]["mac"] = "4A:49:43:49:79:BF";
  EXPECT_EQ(conflicts_of([&] { host.put(Kind::container, "two", other); }), std::vector<std::string>{"container/one"});
  EXPECT_EQ(conflicts_of([&] { host.put(Kind::container, "two", container_spec()); }), std::vector<std::string>{"container/one"});
  EXPECT_EQ(conflicts_of([&] { host.put(Kind::container, "two", container_spec("172.16.2.1/24")); }), std::vector<std::string>{"bridge/brso1"});
}

TEST_F(Containers, WhatIsUsedIsNotDeleted) {
  host.put(Kind::container, "web", container_spec());
  EXPECT_EQ(conflicts_of([&] { host.service().remove(Kind::bridge, "brso1", {}); }), std::vector<std::string>{"container/web"});
  EXPECT_EQ(conflicts_of([&] { host.service().remove(Kind::image, "busy", {}); }), std::vector<std::string>{"container/web"});
  host.state("web", Desired::running);
  EXPECT_EQ(code_of([&] { host.service().remove(Kind::container, "web", {}); }), Code::conflict);
}

TEST_F(Containers, UnknownImageAndBridge) {
  EXPECT_EQ(code_of([&] { host.put(Kind::container, "web", {{"image", "none"}}); }), Code::not_found);
  Json spec = container_spec();
  spec["nics"][0]["bridge"] = "br-none";
  EXPECT_EQ(code_of([&] { host.put(Kind::container, "web", spec); }), Code::not_found);
}

TEST_F(Containers, ACommandThatIsNotThereIsRefusedAndNothingStarted) {
  host.roots.set_image(host.service().get(Kind::image, "busy").at("status").at("digest").get<std::string>(), {});
  host.put(Kind::container, "web", container_spec());
  const std::string lower = host.container("web").at("status").at("rootfs").at("lower").get<std::string>();
  host.roots.set_image(lower, {"/sbin/init", SIGTERM, std::set<std::string>{}});
  host.service().patch(Kind::container, "web", {{"command", {"/bin/none"}}}, {});
  const std::string prepared = host.kernel();
  EXPECT_EQ(code_of([&] { host.state("web", Desired::running); }), Code::conflict);
  EXPECT_EQ(host.kernel(), prepared);
  EXPECT_EQ(host.state_of("web"), "created");
}

// Whatever call fails, a start that fails leaves the container as it was, and the next start works.
TEST_F(Containers, AnyFailureOfAStartLeavesNothing) {
  host.put(Kind::container, "web", container_spec());
  const std::string prepared = host.kernel();
  const auto attempt = [&](const std::string& what) {
    EXPECT_EQ(code_of([&] { host.state("web", Desired::running); }), Code::internal) << what;
    EXPECT_EQ(host.kernel(), prepared) << what;
    EXPECT_EQ(host.state_of("web"), "created") << what;
    EXPECT_TRUE(host.store->load().journal.empty()) << what;
  };
  const Error injected{Code::internal, "injected"};
  for (const int nth : {1, 2}) {
    host.network.fail_call(nth, injected);
    attempt("network call " + std::to_string(nth));
  }
  for (const int nth : {1, 2, 3}) {
    host.roots.fail_call(nth, injected);
    attempt("roots call " + std::to_string(nth));
  }
  host.launcher.fail_begin(injected);
  attempt("begin");
  host.launcher.fail_go(injected);
  attempt("go");
  host.state("web", Desired::running);
  EXPECT_EQ(host.state_of("web"), "running");
}

TEST_F(Containers, AnEndByItselfShowsItsStatus) {
  host.put(Kind::container, "web", container_spec());
  host.state("web", Desired::running);
  host.launcher.end(host.container("web").at("uid").get<std::string>(), {3, std::nullopt, now()});
  Host::eventually([&] { return host.state_of("web") == "stopped"; });
  EXPECT_EQ(host.container("web").at("status").at("exit").at("code"), 3);
  const auto events = host.service().events(0, {"container", "web", "exited"}, 10);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].data.at("code"), 3);
}

TEST_F(Containers, AnInitThatIgnoresTheSignalIsKilled) {
  host.launcher.obeys = false;
  host.put(Kind::container, "web", container_spec());
  host.state("web", Desired::running);
  host.state("web", Desired::stopped);
  EXPECT_EQ(host.container("web").at("status").at("exit").at("signal"), SIGKILL);
}

TEST_F(Containers, ARunningOneChangesOnlyWhatItCan) {
  host.put(Kind::container, "web", container_spec());
  host.state("web", Desired::running);
  EXPECT_EQ(code_of([&] { host.service().patch(Kind::container, "web", {{"isolation", "chroot"}, {"nics", Json::array()}}, {}); }), Code::conflict);
  host.service().patch(Kind::container, "web", {{"autostart", "always"}}, {});
  host.service().patch(Kind::container, "web", {{"limits", {{"memory", {{"max", 1 << 20}}}}}}, {});
  const std::string uid = host.container("web").at("uid").get<std::string>();
  EXPECT_EQ(host.groups.limits(container_group("web", uid)).memory_max, 1U << 20);
}

TEST_F(Containers, ALostPortIsPluggedAgain) {
  host.put(Kind::container, "web", container_spec());
  host.state("web", Desired::running);
  const std::string uid = host.container("web").at("uid").get<std::string>();
  host.network.foreign_delete_link("brso1");
  Host::eventually([&] {
    const auto bridge = host.network.find_link("brso1");
    const auto port = host.network.find_link(nic_host_name(uid, 0));
    return bridge && port && port->master == bridge->ifindex;
  });
}

TEST_F(Containers, GeneratedMacsStayAndDiffer) {
  host.put(Kind::container, "one", container_spec());
  host.put(Kind::container, "two", container_spec("172.16.2.11/24"));
  const auto mac = [&](const std::string& name) { return host.container(name).at("status").at("nics").at(0).at("mac"); };
  const Json first = mac("one");
  EXPECT_NE(first, mac("two"));
  host.service().patch(Kind::container, "one", {{"labels", {{"a", "b"}}}}, {});
  EXPECT_EQ(first, mac("one"));
}

}  // namespace
}  // namespace sovirt::tests
