#include <signal.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

#include "daemon/base/error.hpp"
#include "tests/kernel/launcher/fixture.hpp"

namespace sovirt::test {
namespace {

using namespace std::chrono_literals;

class ExecTest : public LauncherTest {
 protected:
  void SetUp() override {
    LauncherTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    host().spec.env["COLOUR"] = "green";
    launched_ = host().start("a", {"/bin/sleep", "600"});
  }
  ExecResult run(ExecRequest request) { return launcher().exec("a", request, 1 << 20); }
  static ExecRequest sh(const std::string& script) {
    ExecRequest request;
    request.command = {"sh", "-c", script};
    return request;
  }
  Launched launched_;
};
INSTANTIATE_TEST_SUITE_P(Launcher, ExecTest, all_modes(), mode_name);

TEST_P(ExecTest, gives_code_and_both_outputs) {
  const ExecResult result = run(sh("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(result.exit.code, 3);
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.error_output, "err\n");
  EXPECT_FALSE(result.truncated);
  EXPECT_FALSE(result.timed_out);
}

TEST_P(ExecTest, gives_the_signal) {
  const ExecResult result = run(sh("kill -TERM $$; sleep 5"));
  EXPECT_EQ(result.exit.signal, SIGTERM);
  EXPECT_FALSE(result.exit.code);
}

TEST_P(ExecTest, is_in_the_container) {
  const ExecResult result = run(sh("hostname; echo $COLOUR $container; readlink /proc/1/exe; cat /proc/self/cgroup"));
  EXPECT_EQ(result.output.find("box-a\ngreen sovirt\n/bin/busybox\n"), 0u) << result.output;
  // Of the other hierarchies the agent is in the container's own group; of systemd's it stays out.
  for (const char* hierarchy : {":memory:/\n", ":pids:/\n", ":freezer:/\n"}) {
    if (!host().cgroups().needs_attach()) break;
    EXPECT_NE(result.output.find(hierarchy), std::string::npos) << result.output;
  }
  for (const char* kind : {"mnt", "net", "pid", "uts", "ipc", "cgroup"}) {
    const std::string link = std::string{"readlink /proc/1/ns/"} + kind + "; readlink /proc/self/ns/" + kind;
    const std::string both = run(sh(link)).output;
    EXPECT_EQ(both.substr(0, both.size() / 2), both.substr(both.size() / 2)) << kind;
  }
}

TEST_P(ExecTest, feeds_its_input_and_closes_it) {
  ExecRequest request;
  request.command = {"cat"};
  request.input = std::string(300'000, 'x') + "end";
  EXPECT_EQ(run(request).output, request.input);
  request.command = {"true"};   // which reads nothing
  EXPECT_EQ(run(request).exit.code, 0);
}

TEST_P(ExecTest, takes_env_cwd_and_user) {
  ExecRequest request = sh("echo $COLOUR; pwd; id -u; id -g; cat /proc/self/status");
  request.env["COLOUR"] = "red";
  request.cwd = "/tmp";
  request.user = UserSpec{1000, 1000};
  const ExecResult result = run(request);
  EXPECT_EQ(result.output.find("red\n/tmp\n1000\n1000\n"), 0u) << result.output;
  EXPECT_NE(result.output.find("CapEff:\t0000000000000000"), std::string::npos) << result.output;
}

TEST_P(ExecTest, says_what_cannot_be_executed) {
  const auto reason = [&](ExecRequest request) {
    try {
      run(request);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid);
      return error.detail();
    }
    return std::string{"it was executed"};
  };
  ExecRequest request;
  request.command = {"/bin/nosuch"};
  EXPECT_NE(reason(request).find("execve /bin/nosuch: No such file or directory"), std::string::npos) << reason(request);
  request.command = {"nosuch"};
  EXPECT_NE(reason(request).find("execve nosuch: No such file"), std::string::npos) << reason(request);
  request.command = {"/etc/passwd"};
  EXPECT_NE(reason(request).find("Permission denied"), std::string::npos) << reason(request);
  request.command = {"true"};
  request.cwd = "/nowhere";
  EXPECT_NE(reason(request).find("chdir /nowhere: No such file"), std::string::npos) << reason(request);
}

TEST_P(ExecTest, kills_all_that_it_started_when_its_time_is_over) {
  ExecRequest request = sh("sleep 4711 & (setsid sleep 4712 &) ; sh -c 'sleep 4713 & exec sleep 4714'");
  request.timeout = 300ms;
  const auto begin = std::chrono::steady_clock::now();
  const ExecResult result = run(request);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.exit.signal, SIGKILL);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
  EXPECT_EQ(run(sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).output.find("471"), std::string::npos);
  EXPECT_TRUE(alive(launched_.init.pid));
}

// The time of one whose output is always there to be read is over as well. Were it not, this one ends by itself.
TEST_P(ExecTest, kills_what_writes_without_end) {
  ExecRequest request = sh("(sleep 20; kill $$) & exec yes");
  request.timeout = 500ms;
  const ExecResult result = run(request);
  EXPECT_TRUE(result.timed_out);
  EXPECT_TRUE(result.truncated);
  EXPECT_EQ(result.exit.signal, SIGKILL);
}

TEST_P(ExecTest, cuts_output_at_the_limit_and_goes_on) {
  const ExecResult result = launcher().exec("a", sh("yes 2> /dev/null | head -c 1000000; echo done >&2; exit 4"), 1000);
  EXPECT_TRUE(result.truncated);
  EXPECT_EQ(result.output.size(), 1000u);
  EXPECT_EQ(result.error_output, "done\n");
  EXPECT_EQ(result.exit.code, 4);
}

TEST_P(ExecTest, does_not_wait_for_what_stays_in_the_background) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(run(sh("sleep 30 & echo started")).output, "started\n");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_P(ExecTest, sees_no_descriptor_but_its_three) {
  // The fourth is the folder that ls itself has open.
  EXPECT_EQ(run(sh("exec ls /proc/self/fd")).output, "0\n1\n2\n3\n");
}

TEST_P(ExecTest, ends_with_the_container) {
  ExecRequest request = sh("touch /tmp/begun; sleep 600");
  const std::jthread killer{[&] {
    soon([&] { return std::filesystem::exists(host().root() / "tmp/begun"); });
    launcher().signal("a", SIGKILL);
  }};
  const ExecResult result = run(request);
  EXPECT_EQ(result.exit.signal, SIGKILL);
  EXPECT_EQ(host().wait("a")->signal, SIGKILL);
  EXPECT_THROW(run(sh("true")), Error);
}

TEST_P(ExecTest, many_at_once) {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int j = 0; j < 5; ++j) {
        const std::string word = std::to_string(i * 10 + j);
        if (run(sh("echo " + word)).output == word + "\n") ++right;
      }
    });
  for (std::thread& one : threads) one.join();
  EXPECT_EQ(right, 40);
}

// Where a process cannot be cloned into its group, an agent in it does it.
using AgentTest = ExecTest;
INSTANTIATE_TEST_SUITE_P(Launcher, AgentTest, testing::Values(Mode::direct, Mode::spare), mode_name);

TEST_P(AgentTest, a_killed_one_is_replaced) {
  if (!host().cgroups().needs_attach()) GTEST_SKIP() << "this host has no cgroup v1, so there is no agent";
  int killed = 0;
  for (const pid_t pid : host().cgroups().processes("c.a"))
    if (pid != launched_.init.pid && ::kill(pid, SIGKILL) == 0) ++killed;
  ASSERT_EQ(killed, 1);
  EXPECT_EQ(run(sh("echo again")).output, "again\n");
  EXPECT_EQ(run(sh("echo and again")).output, "and again\n");
  EXPECT_TRUE(launcher().report("a")->running);
}

TEST_P(AgentTest, a_frozen_one_delays_but_confuses_nothing) {
  if (!host().cgroups().needs_attach()) GTEST_SKIP() << "this host has no cgroup v1, so there is no agent";
  host().cgroups().set_frozen("c.a", true);
  EXPECT_THROW(run(sh("echo one")), Error);
  host().cgroups().set_frozen("c.a", false);
  EXPECT_EQ(run(sh("echo two")).output, "two\n");
  EXPECT_EQ(run(sh("echo three")).output, "three\n");
  EXPECT_TRUE(launcher().report("a")->running);
}

}  // namespace
}  // namespace sovirt::test
