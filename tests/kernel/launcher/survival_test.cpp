#include <signal.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "daemon/base/error.hpp"
#include "daemon/kernel/process/process_launcher.hpp"
#include "tests/kernel/launcher/fixture.hpp"

namespace sovirt::test {
namespace {

using SurvivalTest = LauncherTest;
INSTANTIATE_TEST_SUITE_P(Launcher, SurvivalTest, all_modes(), mode_name);

TEST_P(SurvivalTest, is_adopted_by_the_next_daemon) {
  const Launched launched = host().sh("a", "while true; do test -e /tmp/end && exit 5; sleep 0.05; done");
  host().restart_daemon();
  const auto report = launcher().report("a");
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->running);
  EXPECT_EQ(report->processes.init, launched.init);
  launcher().watch("a");
  launcher().watch("a");
  EXPECT_EQ(host().exec("a", {"touch", "/tmp/end"}).exit.code, 0);
  const auto exit = host().wait("a");
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->code, 5);
  EXPECT_EQ(host().ends("a"), 1);
}

TEST_P(SurvivalTest, tells_how_it_ended_while_no_daemon_was_there) {
  const Launched launched = host().start("a", {"/bin/sleep", "600"});
  host().restart_daemon();   // which does not watch it
  ASSERT_EQ(::kill(launched.init.pid, SIGKILL), 0);
  ASSERT_TRUE(soon([&] { return !alive(launched.monitor.pid); }));
  const auto report = launcher().report("a");
  ASSERT_TRUE(report && report->exit);
  EXPECT_EQ(report->exit->signal, SIGKILL);
  EXPECT_EQ(host().ends("a"), 0);
  launcher().watch("a");
  const auto exit = host().wait("a");
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->signal, SIGKILL);
}

TEST_P(SurvivalTest, runs_on_without_its_monitor) {
  const Launched launched = host().start("a", {"/bin/sleep", "600"});
  ASSERT_EQ(::kill(launched.monitor.pid, SIGKILL), 0);
  ASSERT_TRUE(soon([&] { return !alive(launched.monitor.pid); }));
  EXPECT_TRUE(alive(launched.init.pid));
  const auto report = launcher().report("a");
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->running);
  EXPECT_EQ(report->processes.init, launched.init);
  EXPECT_THROW(host().exec("a", {"true"}), Error);
  EXPECT_THROW(launcher().forget("a"), Error);
  launcher().signal("a", SIGKILL);
  const auto exit = host().wait("a");
  ASSERT_TRUE(exit);
  EXPECT_FALSE(exit->code || exit->signal) << "nobody can know how it ended";
  ASSERT_TRUE(launcher().report("a"));
  EXPECT_FALSE(launcher().report("a")->running);
}

TEST_P(SurvivalTest, an_adopted_one_without_monitor_tells_its_end) {
  const Launched launched = host().start("a", {"/bin/sleep", "600"});
  ASSERT_EQ(::kill(launched.monitor.pid, SIGKILL), 0);
  ASSERT_TRUE(soon([&] { return !alive(launched.monitor.pid); }));
  host().restart_daemon();
  launcher().watch("a");
  EXPECT_EQ(host().ends("a"), 0);
  ASSERT_EQ(::kill(launched.init.pid, SIGKILL), 0);
  ASSERT_TRUE(host().wait("a"));
  EXPECT_EQ(host().ends("a"), 1);
}

TEST_P(SurvivalTest, a_daemon_that_dies_before_go_leaves_nothing) {
  // As a daemon that is killed: its socket ends, and nobody waits or cleans up.
  const pid_t daemon = ::fork();
  ASSERT_GE(daemon, 0);
  if (daemon == 0) {
    const auto other = make_launcher({SOVIRT_LAUNCH_PROGRAM, host().directory() / "other", "boot-1", host().cgroups(), false});
    const auto launch = other->begin(host().launch_spec("a", {"/bin/sleep", "600"}), host().rootfs());
    const bool begun = soon([&] { return std::filesystem::exists(host().directory() / "other/a/.monitor.json"); });
    if (begun) ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(daemon, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it did not get as far as it should";
  EXPECT_TRUE(soon([&] { return !std::filesystem::exists(host().directory() / "other/a"); }));
  EXPECT_TRUE(soon([&] { return host().cgroups().processes("c.a").empty(); }));
  // The monitor is our child now, and ends by itself.
  const std::size_t spares = has_spare(GetParam()) ? 1 : 0;
  EXPECT_TRUE(soon([&] {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {}
    return children().size() <= spares;
  }));
}

TEST_P(SurvivalTest, a_container_of_an_earlier_boot_is_unknown) {
  host().sh("a", "exit 1");
  ASSERT_TRUE(host().wait("a"));
  const std::filesystem::path file = host().directory() / "run/a/exit.json";
  std::string text = read_file(file);
  text.replace(text.find("boot-1"), 6, "boot-0");
  std::ofstream{file} << text;
  std::filesystem::remove(host().directory() / "run/a/monitor.json");
  EXPECT_FALSE(launcher().report("a"));
  EXPECT_EQ(launcher().known(), std::vector<std::string>{"a"});
}

TEST_P(SurvivalTest, ignores_the_signals_of_a_terminal) {
  const Launched launched = host().start("a", {"/bin/sleep", "600"});
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) ASSERT_EQ(::kill(launched.monitor.pid, signal), 0);
  EXPECT_EQ(host().exec("a", {"echo", "here"}).output, "here\n");
  EXPECT_TRUE(alive(launched.monitor.pid));
}

}  // namespace
}  // namespace sovirt::test
