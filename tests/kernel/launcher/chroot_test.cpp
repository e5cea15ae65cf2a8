#include <signal.h>

#include <thread>

#include "daemon/base/error.hpp"
#include "tests/kernel/launcher/fixture.hpp"

namespace sovirt::test {
namespace {

class ChrootTest : public LauncherTest {
 protected:
  void SetUp() override {
    LauncherTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) host().spec.isolation = Isolation::chroot;
  }
};
INSTANTIATE_TEST_SUITE_P(Launcher, ChrootTest, all_modes(), mode_name);

std::string link_of(const std::string& path) {
  std::error_code error;
  return std::filesystem::read_symlink(path, error).string();
}

TEST_P(ChrootTest, shares_every_namespace_but_the_mounts) {
  const std::string before = read_file("/proc/self/mountinfo");
  const Launched launched = host().start("a", {"/bin/sleep", "600"});
  const std::string proc = "/proc/" + std::to_string(launched.init.pid);
  for (const char* kind : {"net", "pid", "uts", "ipc", "cgroup", "user"})
    EXPECT_EQ(link_of(proc + "/ns/" + kind), link_of(std::string{"/proc/self/ns/"} + kind)) << kind;
  EXPECT_NE(link_of(proc + "/ns/mnt"), link_of("/proc/self/ns/mnt"));
  EXPECT_EQ(before, read_file("/proc/self/mountinfo"));
  const std::string inside = read_file(proc + "/mountinfo");
  for (const char* target : {" /dev ", " /proc ", " /sys "}) EXPECT_NE(inside.find(target), std::string::npos) << inside;
  EXPECT_EQ(inside.find(host().directory().string() + " "), std::string::npos) << "the host's mounts are still there";
}

TEST_P(ChrootTest, without_a_command_holds_its_mounts_until_it_is_killed) {
  const Launched launched = host().start("a", {});
  EXPECT_EQ(read_file("/proc/" + std::to_string(launched.init.pid) + "/comm"), "sovirt-hold\n");
  const ExecResult result = host().exec("a", {"ls", "/"});
  EXPECT_EQ(result.output, "bin\ndev\netc\nproc\nroot\nsys\ntmp\n");
  EXPECT_EQ(host().exec("a", {"sh", "-c", "echo x > /tmp/file; echo y > /dev/null; cat /proc/version"}).exit.code, 0);
  EXPECT_TRUE(std::filesystem::exists(host().root() / "tmp/file"));
  launcher().signal("a", SIGTERM);
  const auto exit = host().wait("a");
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->signal, SIGTERM);
}

TEST_P(ChrootTest, everything_in_it_ends_with_its_command) {
  const std::string before = read_file("/proc/self/mountinfo");
  const Launched launched = host().sh("a", "sleep 600 & sleep 600 & echo on the console; sleep 0.3; exit 2");
  EXPECT_TRUE(host().log_has("a", "on the console"));
  const auto exit = host().wait("a");
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->code, 2);
  EXPECT_TRUE(host().cgroups().processes("c.a").empty());
  EXPECT_TRUE(soon([&] { return !alive(launched.monitor.pid); }));
  EXPECT_EQ(before, read_file("/proc/self/mountinfo"));
}

TEST_P(ChrootTest, an_exec_in_it_ends_with_it) {
  host().start("a", {});
  const std::jthread killer{[&] {
    soon([&] { return std::filesystem::exists(host().root() / "tmp/begun"); });
    launcher().signal("a", SIGKILL);
  }};
  const ExecResult result = host().exec("a", {"sh", "-c", "touch /tmp/begun; exec sleep 600"});
  EXPECT_EQ(result.exit.signal, SIGKILL);
  ASSERT_TRUE(host().wait("a"));
  EXPECT_TRUE(host().cgroups().processes("c.a").empty());
}

}  // namespace
}  // namespace sovirt::test
