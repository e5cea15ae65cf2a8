#include "tests/unit/domain/host.hpp"

#include <signal.h>

#include "daemon/domain/restarts.hpp"

namespace sovirt::tests {
namespace {

using std::chrono::milliseconds;

ExitStatus ended(std::optional<int> code, std::optional<int> signal = {}) { return {code, signal, now()}; }
RestartSpec policy(RestartSpec::Policy which, int retries = 0) { return {which, retries}; }

TEST(Restarts, DelaysDoubleUpToAMinute) {
  Restarts restarts;
  std::vector<long> delays;
  for (int i = 0; i < 12; ++i)
    delays.push_back(restarts.after("a", policy(RestartSpec::Policy::always), true, ended(0), milliseconds{5}).delay.count());
  EXPECT_EQ(delays, (std::vector<long>{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000}));
  EXPECT_EQ(restarts.after("a", policy(RestartSpec::Policy::always), true, ended(0), milliseconds{10'000}).delay.count(), 100);
}

TEST(Restarts, PoliciesAndLimits) {
  Restarts restarts;
  EXPECT_FALSE(restarts.after("a", policy(RestartSpec::Policy::no), true, ended(1), milliseconds{5}).again);
  EXPECT_FALSE(restarts.after("a", policy(RestartSpec::Policy::on_failure), true, ended(0), milliseconds{5}).again);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(restarts.after("a", policy(RestartSpec::Policy::on_failure, 3), true, ended(1), milliseconds{5}).again);
  const Aftermath last = restarts.after("a", policy(RestartSpec::Policy::on_failure, 3), true, ended(std::nullopt, SIGKILL), milliseconds{5});
  EXPECT_TRUE(last.exhausted && !last.again);
  EXPECT_TRUE(restarts.after("b", policy(RestartSpec::Policy::on_failure), true, std::nullopt, milliseconds{5}).again);   // nobody knows how it ended
}

TEST(Restarts, RebootAndPoweroffInsideDoWhatTheySay) {
  Restarts restarts;
  const Aftermath reboot = restarts.after("a", policy(RestartSpec::Policy::no), true, ended(std::nullopt, SIGHUP), milliseconds{5});
  EXPECT_TRUE(reboot.again && reboot.reboot && reboot.delay.count() == 0);
  EXPECT_FALSE(restarts.after("a", policy(RestartSpec::Policy::always), true, ended(std::nullopt, SIGINT), milliseconds{5}).again);
  // A chroot's first process dies of them like any other.
  EXPECT_FALSE(restarts.after("a", policy(RestartSpec::Policy::no), false, ended(std::nullopt, SIGHUP), milliseconds{5}).again);
  EXPECT_TRUE(restarts.after("a", policy(RestartSpec::Policy::always), false, ended(std::nullopt, SIGINT), milliseconds{5}).again);
}

class Restarting : public ::testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
  }
  void run(const Json& restart) {
    host.put(Kind::container, "web", {{"image", "busy"}, {"restart", restart}});
    host.state("web", Desired::running);
  }
  void end(std::optional<int> code, std::optional<int> signal = {}) {
    host.launcher.end(host.container("web").at("uid").get<std::string>(), ended(code, signal));
  }
  std::vector<std::string> events() {
    std::vector<std::string> types;
    for (const Event& event : host.service().events(0, {"container", "web", ""}, 100)) types.push_back(event.type);
    return types;
  }
  Host host;
};

TEST_F(Restarting, ItComesBackAndSaysWhy) {
  run({{"policy", "on-failure"}});
  end(1);
  Host::eventually([&] { return host.launcher.launches() == 2 && host.state_of("web") == "running"; });
  EXPECT_EQ(events(), (std::vector<std::string>{"created", "started", "exited", "started"}));
  const auto last = host.service().events(0, {"container", "web", "started"}, 100).back();
  EXPECT_EQ(last.data, (Json{{"reason", "restart-policy"}, {"attempt", 1}}));
  end(0);
  Host::eventually([&] { return host.state_of("web") == "stopped"; });
  std::this_thread::sleep_for(milliseconds{300});
  EXPECT_EQ(host.launcher.launches(), 2);
}

TEST_F(Restarting, AStopByTheUserIsOne) {
  run({{"policy", "always"}});
  host.state("web", Desired::stopped);
  std::this_thread::sleep_for(milliseconds{300});
  EXPECT_EQ(host.state_of("web"), "stopped");
  EXPECT_EQ(host.launcher.launches(), 1);
}

TEST_F(Restarting, AStopCallsOffWhatWaits) {
  run({{"policy", "always"}});
  for (int launches = 1; launches < 5; ++launches) {   // until it waits long enough
    Host::eventually([&] { return host.launcher.launches() == launches && host.state_of("web") == "running"; });
    end(1);
  }
  Host::eventually([&] { return host.state_of("web") == "stopped"; });
  host.state("web", Desired::stopped);
  std::this_thread::sleep_for(milliseconds{1000});
  EXPECT_EQ(host.launcher.launches(), 4);
}

TEST_F(Restarting, ADaemonThatWasAwayGoesOnWithIt) {
  run({{"policy", "always"}});
  host.stop();
  const std::string uid = [&] {
    host.start();
    return host.container("web").at("uid").get<std::string>();
  }();
  host.stop();
  host.launcher.end(uid, ended(3));
  host.start();
  Host::eventually([&] { return host.launcher.launches() == 2 && host.state_of("web") == "running"; });
}

TEST_F(Restarting, ARebootIsNoFailure) {
  run({{"policy", "no"}});
  end(std::nullopt, SIGHUP);
  Host::eventually([&] { return host.launcher.launches() == 2 && host.state_of("web") == "running"; });
  end(std::nullopt, SIGINT);
  Host::eventually([&] { return host.state_of("web") == "stopped"; });
}

}  // namespace
}  // namespace sovirt::tests
