#include <cerrno>
#include <cstdlib>
#include <string>

#include "daemon/base/error.hpp"
#include "tests/kernel/launcher/fixture.hpp"

namespace sovirt::test {
namespace {

// A monitor that dies or fails at each of its steps. Not from a spare: that was started before the variable was set.
class FailpointTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
#ifndef SOVIRT_FAILPOINTS
    GTEST_SKIP() << "built without failpoints";
#endif
    if (const auto reason = LauncherHost::missing(Mode::direct)) GTEST_SKIP() << *reason;
  }
  void TearDown() override { ::unsetenv("SOVIRT_FAILPOINT"); }
};
INSTANTIATE_TEST_SUITE_P(Launcher, FailpointTest,
                         testing::Values("prepared", "cloned", "recorded", "go", "started"),
                         [](const auto& one) { return one.param; });

void expect_nothing_left(LauncherHost& host) {
  EXPECT_TRUE(host.launcher().known().empty());
  EXPECT_FALSE(host.launcher().report("a"));
  EXPECT_TRUE(host.cgroups().processes("c.a").empty());
  EXPECT_TRUE(soon([&] { return host.cgroups().processes("monitors").empty(); }));
}

TEST_P(FailpointTest, a_monitor_killed_there_leaves_nothing_and_the_next_start_works) {
  for (const Mode mode : {Mode::direct, Mode::direct_v2}) {
    if (LauncherHost::missing(mode)) continue;
    LauncherHost host{mode};
    ::setenv("SOVIRT_FAILPOINT", ("launch:" + GetParam() + ":kill").c_str(), 1);
    EXPECT_THROW(host.start("a", {"/bin/sleep", "600"}), Error);
    expect_nothing_left(host);
    ::unsetenv("SOVIRT_FAILPOINT");
    host.start("a", {"/bin/sleep", "600"});
    EXPECT_EQ(host.exec("a", {"echo", "there"}).output, "there\n");
  }
}

TEST_P(FailpointTest, a_step_that_fails_there_says_why) {
  LauncherHost host{Mode::direct};
  ::setenv("SOVIRT_FAILPOINT", ("launch:" + GetParam() + ":error=ENOSPC").c_str(), 1);
  try {
    host.start("a", {"/bin/sleep", "600"});
    ADD_FAILURE() << "it was started";
  } catch (const Error& error) {
    // Once the command runs, there is nobody left to say it.
    const int said = GetParam() == "started" ? 0 : ENOSPC;
    EXPECT_EQ(error.error_number(), said) << error.detail();
  }
  expect_nothing_left(host);
}

}  // namespace
}  // namespace sovirt::test
