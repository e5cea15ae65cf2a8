#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>

#include "daemon/base/error.hpp"
#include "daemon/domain/device_rules.hpp"
#include "daemon/kernel/process/live_changes.hpp"
#include "tests/kernel/launcher/fixture.hpp"

namespace sovirt::test {
namespace {

// What changes in a container that runs, as its own processes see it.
class ChangesTest : public LauncherTest {
 protected:
  void SetUp() override {
    LauncherTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    live_ = make_live_changes(host().directory() / "run", "boot-1");
    std::filesystem::create_directories(source());
    std::ofstream{source() / "there"} << "from the host";
  }
  std::filesystem::path source() { return host().directory() / "source"; }
  LiveChanges& live() { return *live_; }
  MountSpec bind(const std::string& target) {
    MountSpec mount;
    mount.source = source();
    mount.target = target;
    return mount;
  }
  std::string out(const std::string& script) { return host().exec("a", {"sh", "-c", script}).output; }
  Code code_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  }

 private:
  std::unique_ptr<LiveChanges> live_;
};
INSTANTIATE_TEST_SUITE_P(Launcher, ChangesTest, all_modes(), mode_name);

TEST_P(ChangesTest, a_mount_comes_and_goes_and_may_be_asked_for_twice) {
  host().start("a", {"/bin/sleep", "600"});
  const std::string before = read_file("/proc/self/mountinfo");
  for (int again = 0; again < 2; ++again) {
    live().mount("a", bind("/mnt/deep"));
    EXPECT_EQ(out("cat /mnt/deep/there"), "from the host");
  }
  out("touch /mnt/deep/inside");
  EXPECT_TRUE(std::filesystem::exists(source() / "inside"));
  EXPECT_EQ(before, read_file("/proc/self/mountinfo"));
  for (int again = 0; again < 2; ++again) {
    live().unmount("a", bind("/mnt/deep"));
    EXPECT_EQ(out("ls /mnt/deep"), "");
  }
  EXPECT_TRUE(soon([] { return children().size() < 8; }));   // the forks that did it are reaped
}

TEST_P(ChangesTest, a_chroot_takes_mounts_too) {
  host().spec.isolation = Isolation::chroot;
  host().start("a", {"/bin/sleep", "600"});
  live().mount("a", bind("/home"));
  EXPECT_EQ(out("cat /home/there"), "from the host");
  EXPECT_EQ(code_of([&] { live().set_hostname("a", "x"); }), Code::conflict);
}

TEST_P(ChangesTest, read_only_files_and_tmpfs) {
  host().start("a", {"/bin/sleep", "600"});
  MountSpec file = bind("/etc/one");
  file.source += "/there";
  file.read_only = true;
  live().mount("a", file);
  EXPECT_EQ(out("cat /etc/one; echo x 2>/dev/null > /etc/one || echo refused"), "from the hostrefused\n");
  MountSpec tmpfs;
  tmpfs.type = MountSpec::Type::tmpfs;
  tmpfs.target = "/scratch";
  tmpfs.size = 65536;
  live().mount("a", tmpfs);
  EXPECT_EQ(out("dd if=/dev/zero of=/scratch/x bs=1024 count=65 2>/dev/null || echo full"), "full\n");
}

TEST_P(ChangesTest, links_in_the_container_lead_nowhere_but_into_it) {
  host().start("a", {"/bin/sleep", "600"});
  const std::string planted = host().directory() / "planted";
  out("mkdir -p " + host().directory().string() + "; busybox ln -s " + host().directory().string() + " /link; busybox ln -s /proc/1/root /magic");
  live().mount("a", bind("/link/planted"));
  EXPECT_FALSE(std::filesystem::exists(planted));
  EXPECT_EQ(out("cat " + planted + "/there"), "from the host");
}

TEST_P(ChangesTest, what_cannot_be_is_said) {
  host().start("a", {"/bin/sleep", "600"});
  out("echo x > /file");
  EXPECT_EQ(code_of([&] { live().mount("a", bind("/file")); }), Code::conflict);
  MountSpec absent = bind("/mnt");
  absent.source = "/no/such";
  EXPECT_EQ(code_of([&] { live().mount("a", absent); }), Code::conflict);
  EXPECT_EQ(code_of([&] { live().mount("nobody", bind("/mnt")); }), Code::conflict);
  EXPECT_EQ(host().exec("a", {"/bin/true"}).exit.code, 0);   // and its monitor goes on
}

TEST_P(ChangesTest, the_host_name) {
  host().start("a", {"/bin/sleep", "600"});
  live().set_hostname("a", "renamed.example");
  EXPECT_EQ(out("hostname"), "renamed.example\n");
}

TEST_P(ChangesTest, devices_are_opened_by_rule_only) {
  host().start("a", {"/bin/sleep", "600"});
  std::vector<DeviceRule> rules = default_device_rules();
  std::erase_if(rules, [](const DeviceRule& rule) { return rule.minor == 5u; });   // /dev/zero
  try {
    host().cgroups().set_devices("c.a", rules);
  } catch (const Error& error) {
    if (error.code() == Code::unsupported) GTEST_SKIP() << error.detail();
    throw;
  }
  const std::string refused = out("head -c 1 /dev/zero > /dev/null 2>/tmp/why || echo refused; head -c 1 /dev/urandom > /dev/null && echo fine");
  if (refused == "fine\n") GTEST_SKIP() << "no hierarchy here decides on devices";
  EXPECT_EQ(refused, "refused\nfine\n") << out("cat /tmp/why");
  host().cgroups().set_devices("c.a", default_device_rules());
  EXPECT_EQ(out("head -c 1 /dev/zero > /dev/null && echo fine"), "fine\n");
  host().cgroups().set_devices("c.a", {});
  EXPECT_EQ(out("head -c 1 /dev/zero > /dev/null && echo fine"), "fine\n");
}

TEST_P(ChangesTest, devices_and_mounts_at_the_start) {
  host().extra_mounts = {bind("/srv")};
  host().extra_devices = {{"/dev/mine/null", "c", 1, 3, 0640, 0, 5}};
  host().start("a", {"/bin/sleep", "600"});
  EXPECT_EQ(out("cat /srv/there; stat -c '%a %t:%T %g' /dev/mine/null"), "from the host640 1:3 5\n");
}

TEST_P(ChangesTest, system_calls_are_refused_in_the_first_process_and_in_those_of_exec) {
  host().sh("a", "head -n 60 /proc/self/status | tr '\\t' ' '; sleep 600");
  EXPECT_TRUE(host().log_has("a", "Seccomp: 2")) << host().log("a");
  EXPECT_NE(out("cat /proc/self/status").find("Seccomp:\t2"), std::string::npos);
  host().spec.security.seccomp = false;
  host().spec.security.no_new_privileges = true;
  host().start("b", {"/bin/sleep", "600"});
  const std::string status = host().exec("b", {"cat", "/proc/1/status"}).output;
  EXPECT_NE(status.find("Seccomp:\t0"), std::string::npos);
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
}

}  // namespace
}  // namespace sovirt::test
