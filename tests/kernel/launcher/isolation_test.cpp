#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/kernel/launcher/fixture.hpp"

namespace sovirt::test {
namespace {

class IsolationTest : public LauncherTest {
 protected:
  std::string out(const std::string& script) { return host().exec("a", {"sh", "-c", script}).output; }
};
INSTANTIATE_TEST_SUITE_P(Launcher, IsolationTest, all_modes(), mode_name);

TEST_P(IsolationTest, has_namespaces_of_its_own) {
  const Launched launched = host().start("a", {"/bin/sleep", "600"});
  const std::string proc = "/proc/" + std::to_string(launched.init.pid) + "/ns/";
  for (const char* kind : {"mnt", "net", "pid", "uts", "ipc", "cgroup"})
    EXPECT_NE(std::filesystem::read_symlink(proc + kind), std::filesystem::read_symlink(std::string{"/proc/self/ns/"} + kind)) << kind;
}

TEST_P(IsolationTest, sees_only_its_own_mounts_and_the_host_sees_none_of_them) {
  const std::string before = read_file("/proc/self/mountinfo");
  host().start("a", {"/bin/sleep", "600"});
  EXPECT_EQ(before, read_file("/proc/self/mountinfo"));
  const std::string mounts = out("cat /proc/self/mounts");
  EXPECT_EQ(mounts.find(host().directory().string()), std::string::npos) << mounts;
  for (const char* target : {" /proc proc ", " /sys sysfs ro,", " /dev tmpfs ", " /dev/pts devpts ", " /dev/console devpts ",
                             " /dev/shm tmpfs ", " /dev/mqueue mqueue ", " /run tmpfs ", " /proc/sys proc ro,"})
    EXPECT_NE(mounts.find(target), std::string::npos) << target << "\n" << mounts;
  EXPECT_EQ(mounts.find(".sovirt"), std::string::npos) << mounts;
}

TEST_P(IsolationTest, has_the_usual_devices) {
  host().start("a", {"/bin/sleep", "600"});
  EXPECT_EQ(out("ls /dev"), "console\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
  EXPECT_EQ(out("stat -c '%a %t:%T' /dev/null /dev/zero /dev/tty"), "666 1:3\n666 1:5\n666 5:0\n");
  EXPECT_EQ(out("head -c 4 /dev/zero | tr '\\0' z; echo x > /dev/null; echo fine"), "zzzzfine\n");
}

TEST_P(IsolationTest, its_first_process_has_a_console_and_no_other_descriptor) {
  host().sh("a", "tty; ls /proc/self/fd | tr '\\n' ' '; sleep 600");
  EXPECT_TRUE(host().log_has("a", "/dev/console")) << host().log("a");
  EXPECT_TRUE(host().log_has("a", "0 1 2 3 ")) << host().log("a");
  EXPECT_EQ(out("ls /proc/1/fd"), "0\n1\n2\n");
}

TEST_P(IsolationTest, sees_its_cgroups_as_roots) {
  host().start("a", {"/bin/sleep", "600"});
  const std::string groups = out("cat /proc/1/cgroup");
  std::istringstream lines{groups};
  for (std::string line; std::getline(lines, line);) EXPECT_TRUE(line.ends_with(":/")) << groups;
  const bool v1 = host().cgroups().needs_attach();
  EXPECT_NE(out("cat /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/unified/cgroup.procs /sys/fs/cgroup/memory/cgroup.procs").find("1\n"), std::string::npos);
  if (!v1) return;
  EXPECT_EQ(out("mkdir -p /sys/fs/cgroup/pids/sub && ls -d /sys/fs/cgroup/pids/sub"), "/sys/fs/cgroup/pids/sub\n");
  // The container's systemd would take the agent, pid 0 to it, for a process of its own.
  EXPECT_TRUE(soon([&] { return out("cat /sys/fs/cgroup/systemd/cgroup.procs") == "1\n"; })) << out("cat /sys/fs/cgroup/systemd/cgroup.procs");
}

TEST_P(IsolationTest, cannot_change_the_kernel_of_the_host) {
  host().start("a", {"/bin/sleep", "600"});
  EXPECT_NE(host().exec("a", {"sh", "-c", "echo x > /proc/sys/kernel/core_pattern"}).exit.code, 0);
  EXPECT_NE(host().exec("a", {"sh", "-c", "echo h > /proc/sysrq-trigger"}).exit.code, 0);
  EXPECT_EQ(out("cat /proc/kcore | head -c 1"), "");
  EXPECT_EQ(host().exec("a", {"sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"}).exit.code, 0);
  const std::string status = out("cat /proc/1/status");
  const auto bounding = std::stoull(status.substr(status.find("CapBnd:") + 8), nullptr, 16);
  for (const int dropped : {16, 17, 25, 32, 33, 34, 35}) EXPECT_FALSE(bounding >> dropped & 1) << dropped;
  for (const int kept : {0, 7, 12, 21}) EXPECT_TRUE(bounding >> kept & 1) << kept;
}

TEST_P(IsolationTest, has_only_lo_of_the_network) {
  host().start("a", {"/bin/sleep", "600"});
  EXPECT_EQ(out("ls /sys/class/net"), "lo\n");
}

TEST_P(IsolationTest, links_in_the_root_lead_nowhere_else) {
  // /run and /sys of the image point to the host's temporary directory and far up.
  std::filesystem::remove(host().root() / "sys");
  std::filesystem::create_directory_symlink("/../../../tmp", host().root() / "sys");
  const std::string before = read_file("/proc/self/mountinfo");
  host().start("a", {"/bin/sleep", "600"});
  EXPECT_EQ(before, read_file("/proc/self/mountinfo"));
  EXPECT_NE(out("cat /proc/self/mounts").find(" /tmp sysfs "), std::string::npos);
}

TEST_P(IsolationTest, runs_in_a_user_namespace_when_the_config_maps_ids) {
  if (std::system("unshare --user true 2>/dev/null") != 0) GTEST_SKIP() << "user namespaces cannot be made here (in a chroot the kernel allows none)";
  LaunchSpec spec = host().launch_spec("a", {"/bin/sleep", "600"});
  auto config = nlohmann::json::parse(spec.config_json);
  const auto map = nlohmann::json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
  config["linux"]["uidMappings"] = map;
  config["linux"]["gidMappings"] = map;
  // Its own network would have to be made inside the user namespace for /sys; there is none here.
  config["linux"]["namespaces"] = nlohmann::json::array({{{"type", "pid"}}, {{"type", "mount"}}, {{"type", "uts"}}, {{"type", "ipc"}}});
  config["mounts"].erase(7);
  config["mounts"].erase(6);
  spec.config_json = config.dump();
  // What cannot be mapped cannot be entered: the root belongs to the mapped root.
  for (const auto& entry : std::filesystem::recursive_directory_iterator{host().root()})
    ASSERT_EQ(::lchown(entry.path().c_str(), 100000, 100000), 0);
  ASSERT_EQ(::lchown(host().root().c_str(), 100000, 100000), 0);
  const Launched launched = launcher().begin(spec, host().rootfs())->go(-1);
  EXPECT_EQ(read_file("/proc/" + std::to_string(launched.init.pid) + "/uid_map").find("0     100000      65536") != std::string::npos, true);
}

}  // namespace
}  // namespace sovirt::test
