#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <thread>

#include "daemon/kernel/mount/overlay_root_filesystems.hpp"
#include "tests/kernel/launcher/fixture.hpp"

namespace sovirt::test {
namespace {

// Boots the systemd of a Debian root file system, over an overlay so that it stays as it is.
class SystemdTest : public LauncherTest {
 protected:
  void SetUp() override {
    LauncherTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    const char* root = std::getenv("SOVIRT_TEST_DEBIAN_ROOT");
    if (!root) GTEST_SKIP() << "SOVIRT_TEST_DEBIAN_ROOT names no root file system with systemd";
    const auto roots = make_root_filesystems();
    const RootfsLayers layers{root, host().directory() / "overlay"};
    roots->create(layers);
    auto launch = launcher().begin(host().launch_spec("a", {"/sbin/init"}), roots->mount(layers));
    const unique_fd netns = new_netns();
    launch->go(netns.get());
  }
  // What `systemctl is-system-running` says once it is neither "starting" nor out of reach.
  std::string state() {
    const std::set<std::string> not_yet{"", "offline\n", "initializing\n", "starting\n"};
    std::string said;
    for (int i = 0; i < 900 && not_yet.contains(said); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      said = host().exec("a", {"systemctl", "is-system-running"}).output;
    }
    return said;
  }
};
INSTANTIATE_TEST_SUITE_P(Launcher, SystemdTest, all_modes(), mode_name);

TEST_P(SystemdTest, boots_without_a_failed_unit_and_shuts_down_on_its_signal) {
  const std::string reached = state();
  const std::string failed = host().exec("a", {"systemctl", "--failed", "--no-legend", "--plain"}).output;
  EXPECT_TRUE(reached == "running\n") << reached << failed << host().log("a");
  EXPECT_EQ(failed, "") << host().exec("a", {"journalctl", "-b", "--no-pager", "-p", "warning"}).output;
  EXPECT_TRUE(host().log_has("a", "Welcome to")) << host().log("a");
  EXPECT_TRUE(host().log_has("a", " login: ")) << host().log("a");
  launcher().signal("a", SIGRTMIN + 3);
  const auto exit = host().wait("a", 60);
  ASSERT_TRUE(exit) << host().log("a");
}

}  // namespace
}  // namespace sovirt::test
