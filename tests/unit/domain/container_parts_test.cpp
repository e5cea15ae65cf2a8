#include "tests/unit/domain/host.hpp"

#include "daemon/domain/device_rules.hpp"

namespace sovirt::tests {
namespace {

class Parts : public ::testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
    host.put(Kind::container, "web", {{"image", "busy"}});
  }
  std::string uid() { return host.container("web").at("uid").get<std::string>(); }
  Json patch(const Json& change) { return host.service().patch(Kind::container, "web", change, {}).body; }
  std::vector<std::string> targets() {
    std::vector<std::string> all;
    for (const MountSpec& one : host.live.mounts(uid())) all.push_back(one.target + "=" + one.source);
    return all;
  }
  static Json bind(const char* source, const char* target) { return {{"source", source}, {"target", target}}; }
  Host host;
};

TEST_F(Parts, MountsComeAndGoWhileItRuns) {
  host.state("web", Desired::running);
  patch({{"mounts", {bind("/a", "/mnt"), bind("/b", "/mnt/b")}}});
  EXPECT_EQ(targets(), (std::vector<std::string>{"/mnt=/a", "/mnt/b=/b"}));
  patch({{"mounts", {bind("/b", "/mnt/b")}}});
  EXPECT_EQ(targets(), std::vector<std::string>{"/mnt/b=/b"});
  patch({{"mounts", {bind("/c", "/mnt/b")}}});
  EXPECT_EQ(targets(), std::vector<std::string>{"/mnt/b=/c"});
  patch({{"mounts", Json::array()}});
  EXPECT_TRUE(targets().empty());
}

TEST_F(Parts, AMountThatFailsTakesTheOthersBack) {
  host.state("web", Desired::running);
  patch({{"mounts", {bind("/a", "/one")}}});
  host.live.fail_call(3, Error{Code::conflict, "no"});
  EXPECT_EQ(code_of([&] { patch({{"mounts", {bind("/x", "/two"), bind("/y", "/three")}}}); }), Code::conflict);
  EXPECT_EQ(targets(), std::vector<std::string>{"/one=/a"});
  EXPECT_EQ(host.container("web").at("spec").at("mounts").size(), 1u);
}

TEST_F(Parts, ASourceMustBeThere) {
  host.live.missing = {"/gone"};
  EXPECT_EQ(code_of([&] { patch({{"mounts", {bind("/gone", "/mnt")}}}); }), Code::conflict);
  EXPECT_TRUE(host.container("web").at("spec").at("mounts").empty());
}

TEST_F(Parts, AStoppedOneIsGivenThemAtItsStart) {
  patch({{"mounts", {bind("/a", "/mnt")}}});
  EXPECT_TRUE(targets().empty());
  host.state("web", Desired::running);   // the launch has them from config.json
  EXPECT_EQ(host.state_of("web"), "running");
}

TEST_F(Parts, VolumesOutliveContainersAndNotTheOtherWayRound) {
  EXPECT_EQ(code_of([&] { patch({{"mounts", {{{"type", "volume"}, {"source", "data"}, {"target", "/data"}}}}}); }), Code::not_found);
  host.put(Kind::volume, "data", Json::object());
  const std::string path = host.service().get(Kind::volume, "data").at("status").at("path").get<std::string>();
  EXPECT_TRUE(std::filesystem::is_directory(path));
  host.state("web", Desired::running);
  patch({{"mounts", {{{"type", "volume"}, {"source", "data"}, {"target", "/data"}}}}});
  EXPECT_EQ(targets(), std::vector<std::string>{"/data=" + path});
  EXPECT_EQ(conflicts_of([&] { host.service().remove(Kind::volume, "data", {}); }), std::vector<std::string>{"container/web"});
  host.state("web", Desired::stopped);
  host.service().remove(Kind::container, "web", {});
  EXPECT_TRUE(std::filesystem::is_directory(path));
  host.service().remove(Kind::volume, "data", {});
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Parts, TheHostNameChangesAtOnce) {
  host.state("web", Desired::running);
  patch({{"hostname", "other"}});
  EXPECT_EQ(host.live.hostname(uid()), "other");
  patch({{"hostname", nullptr}});
  EXPECT_EQ(host.live.hostname(uid()), "web");
}

TEST_F(Parts, DevicesAreAllowedAndMade) {
  host.state("web", Desired::running);
  patch({{"devices", {{{"path", "/dev/fuse"}, {"access", "rw"}}}}});
  EXPECT_EQ(host.live.nodes(), std::vector<std::string>{"/dev/fuse"});
  const std::string group = container_group("web", uid());
  const auto rules = host.groups.devices(group);
  ASSERT_TRUE(rules);
  EXPECT_EQ(rules->back(), (DeviceRule{'c', 10, 229, "rw", true}));
  patch({{"devices", Json::array()}});
  EXPECT_TRUE(host.live.nodes().empty());
  EXPECT_EQ(*host.groups.devices(group), default_device_rules());
}

TEST_F(Parts, WhatNeedsARestartSaysSo) {
  const auto condition = [&] {
    const Json document = host.container("web");   // named: a range-for does not keep what .at() looks into
    for (const Json& one : document.at("status").at("conditions"))
      if (one.at("type") == "RestartNeeded") return one.at("message").get<std::string>();
    return std::string{};
  };
  patch({{"env", {{"A", "1"}}}});
  EXPECT_EQ(condition(), "");
  host.state("web", Desired::running);
  EXPECT_EQ(condition(), "");
  patch({{"env", {{"A", "2"}}}, {"security", {{"seccomp", "unconfined"}}}});
  EXPECT_NE(condition().find("env, security"), std::string::npos) << condition();
  host.service().restart("web", std::nullopt, {});
  EXPECT_EQ(condition(), "");
}

}  // namespace
}  // namespace sovirt::tests
