#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "daemon/base/error.hpp"
#include "tests/kernel/launcher/fixture.hpp"

namespace sovirt::test {
namespace {

using StartTest = LauncherTest;
INSTANTIATE_TEST_SUITE_P(Launcher, StartTest, all_modes(), mode_name);

TEST_P(StartTest, runs_its_command_and_logs_its_console) {
  const Launched launched = host().sh("a", "echo hello from $(hostname); exec sleep 60");
  EXPECT_TRUE(alive(launched.init.pid));
  EXPECT_TRUE(alive(launched.monitor.pid));
  EXPECT_GT(launched.init.start_ticks, 0u);
  EXPECT_TRUE(host().log_has("a", "hello from box-a")) << host().log("a");
  const auto report = launcher().report("a");
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->running);
  EXPECT_EQ(report->processes.init, launched.init);
  EXPECT_EQ(report->processes.monitor, launched.monitor);
  EXPECT_EQ(launcher().known(), std::vector<std::string>{"a"});
}

TEST_P(StartTest, tells_its_exit_code_once) {
  host().sh("a", "exit 7");
  const auto exit = host().wait("a");
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->code, 7);
  EXPECT_FALSE(exit->signal);
  const auto report = launcher().report("a");
  ASSERT_TRUE(report && report->exit);
  EXPECT_FALSE(report->running);
  EXPECT_EQ(report->exit->code, 7);
  EXPECT_EQ(report->exit->at, exit->at);
  EXPECT_EQ(host().ends("a"), 1);
}

TEST_P(StartTest, tells_the_signal_that_ended_it) {
  host().start("a", {"/bin/sleep", "60"});
  launcher().signal("a", SIGKILL);
  const auto exit = host().wait("a");
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->signal, SIGKILL);
  EXPECT_FALSE(exit->code);
  EXPECT_THROW(launcher().signal("a", SIGTERM), Error);
}

TEST_P(StartTest, starts_again_under_the_same_uid) {
  host().sh("a", "exit 1");
  ASSERT_TRUE(host().wait("a"));
  launcher().forget("a");
  EXPECT_FALSE(launcher().report("a"));
  EXPECT_TRUE(launcher().known().empty());
  host().sh("a", "exit 2");
  ASSERT_TRUE(soon([&] { return host().ends("a") == 2; }));
  EXPECT_EQ(host().wait("a")->code, 2);
}

TEST_P(StartTest, is_not_started_twice) {
  host().start("a", {"/bin/sleep", "60"});
  EXPECT_THROW(host().start("a", {"/bin/sleep", "60"}), Error);
  EXPECT_TRUE(launcher().report("a")->running);
}

TEST_P(StartTest, says_what_could_not_be_executed) {
  try {
    host().start("a", {"/bin/nosuch"});
    FAIL() << "it was started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::conflict);
    EXPECT_EQ(error.error_number(), ENOENT);
    EXPECT_NE(error.detail().find("execve /bin/nosuch: No such file or directory"), std::string::npos) << error.detail();
  }
  EXPECT_FALSE(launcher().report("a"));
  EXPECT_TRUE(launcher().known().empty());
  EXPECT_TRUE(host().cgroups().processes("c.a").empty());
}

TEST_P(StartTest, leaves_nothing_when_dropped_before_go) {
  {
    const auto launch = host().begin("a", {"/bin/sleep", "60"});
    ASSERT_TRUE(soon([&] { return host().cgroups().processes("c.a").size() >= 1; }));
  }
  EXPECT_FALSE(launcher().report("a"));
  EXPECT_TRUE(launcher().known().empty());
  EXPECT_TRUE(host().cgroups().processes("c.a").empty());
  EXPECT_TRUE(host().cgroups().remove("c.a"));
}

TEST_P(StartTest, takes_a_group_that_is_there_already) {
  host().cgroups().create("c.a");
  const Launched launched = host().start("a", {"/bin/sleep", "60"});
  const auto inside = host().cgroups().processes("c.a");
  EXPECT_NE(std::find(inside.begin(), inside.end(), launched.init.pid), inside.end());
  EXPECT_TRUE(soon([&] {
    const auto monitors = host().cgroups().processes("monitors");
    return std::find(monitors.begin(), monitors.end(), launched.monitor.pid) != monitors.end();
  }));
}

TEST_P(StartTest, starts_in_a_group_that_was_killed_before) {
  host().start("a", {"/bin/sleep", "60"});
  host().cgroups().kill("c.a");
  ASSERT_TRUE(host().wait("a"));
  launcher().forget("a");
  const Launched launched = host().start("a", {"/bin/sleep", "60"});
  EXPECT_EQ(host().exec("a", {"echo", "alive"}).output, "alive\n");
  EXPECT_TRUE(alive(launched.init.pid));
}

TEST_P(StartTest, leaves_no_zombie_and_no_descriptor) {
  const auto count = [] {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator{"/proc/self/fd"}) ++n;
    return n;
  };
  host().sh("warm", "exit 0");
  ASSERT_TRUE(host().wait("warm"));
  const std::size_t spares = has_spare(GetParam()) ? 1 : 0;
  ASSERT_TRUE(soon([&] { return children().size() <= spares; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));   // the spare is there again
  const std::size_t before = count();
  for (const char* uid : {"a", "b", "c"}) {
    host().sh(uid, "exit 0");
    ASSERT_TRUE(host().wait(uid));
  }
  EXPECT_TRUE(soon([&] { return children().size() <= spares && count() <= before; })) << children().size() << " " << count();
}

// The v2 hierarchy of a hybrid host has no controllers, so these modes are for v1 and for pure v2.
using LimitTest = LauncherTest;
INSTANTIATE_TEST_SUITE_P(Launcher, LimitTest, testing::Values(Mode::direct, Mode::spare), mode_name);

TEST_P(LimitTest, are_set_before_anything_runs) {
  host().limits.pids_max = 7;
  try {
    host().sh("a", "for i in 1 2 3 4 5 6 7 8 9; do sleep 60 & done; wait");
  } catch (const Error& error) {
    if (error.code() == Code::unsupported) GTEST_SKIP() << "this host cannot limit the number of processes";
    throw;
  }
  EXPECT_TRUE(host().log_has("a", "can't fork")) << host().log("a");
}

}  // namespace
}  // namespace sovirt::test
