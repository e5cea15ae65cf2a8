#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "daemon/kernel/image/boxed_process.hpp"
#include "daemon/kernel/image/debootstrap_progress.hpp"
#include "daemon/kernel/image/host_apt.hpp"
#include "tests/kernel/image/builder_fixture.hpp"

namespace sovirt::test {
namespace {

using namespace std::chrono_literals;

ImageSpec debian(const std::string& suite, const std::string& mirror = "", std::vector<std::string> packages = {}) {
  DebootstrapSource source;
  source.suite = suite;
  source.mirror = mirror;
  source.packages = std::move(packages);
  return {source};
}

// How many processes have this text in their command line.
int processes_with(const std::string& text) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos || name == std::to_string(::getpid())) continue;
    if (read_text(entry.path() / "cmdline").find(text) != std::string::npos) ++count;
  }
  return count;
}

bool soon(const std::function<bool()>& condition) {
  for (int i = 0; i < 300; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return condition();
}

class DebootstrapTest : public BuilderTest {
 protected:
  void SetUp() override {
    BuilderTest::SetUp();
    if (!IsSkipped() && ::access("/usr/sbin/debootstrap", X_OK) != 0) GTEST_SKIP() << "debootstrap is not installed";
  }
};

TEST_F(DebootstrapTest, CancelLeavesNoProcessMountOrFile) {
  std::stop_source stop;
  std::chrono::steady_clock::time_point asked;
  std::atomic<bool> ended = false;
  std::jthread canceller{[&] {
    soon([&] { return ended.load() || processes_with(temporary()) > 0; });
    std::this_thread::sleep_for(4s);
    asked = std::chrono::steady_clock::now();
    stop.request_stop();
  }};
  try {
    build(debian("bookworm"), stop.get_token());
    ADD_FAILURE() << "built within seconds";
  } catch (const Error& error) {
    ended = true;
    const auto took = std::chrono::steady_clock::now() - asked;
    if (error.code() != Code::cancelled) GTEST_SKIP() << "the mirror cannot be reached: " << error.detail();
    EXPECT_LT(took, 1s);
  }
  EXPECT_EQ(processes_with(temporary()), 0);
  EXPECT_TRUE(stored().empty());
}

TEST_F(DebootstrapTest, AFailureEndsWithItsOwnWords) {
  try {
    build(debian("bookworm", "file:///nonexistent/mirror"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.detail().find("Release"), std::string::npos) << error.detail();
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST_F(DebootstrapTest, CheckKnowsTheSuites) {
  EXPECT_NO_THROW(builder_->check({DebootstrapSource{}}, ""));
  try {
    builder_->check(debian("nosuchsuite"), "");
    FAIL();
  } catch (const Error& error) {
    ASSERT_EQ(error.fields().size(), 1u);
    EXPECT_EQ(error.fields()[0].pointer, "/source/suite");
  }
}

TEST_F(DebootstrapTest, AWholeDebian) {
  if (!std::getenv("SOVIRT_TEST_DEBOOTSTRAP")) GTEST_SKIP() << "takes minutes: set SOVIRT_TEST_DEBOOTSTRAP=1";
  const BuiltImage image = build(debian("bookworm", "", {"systemd-sysv", "dbus"}));
  EXPECT_TRUE(image.os.starts_with("Debian GNU/Linux 12")) << image.os;
  EXPECT_GT(image.size, 100u << 20);
  EXPECT_NE(image.architecture, "unknown");
  EXPECT_TRUE(fs::exists(image.directory + "/lib/systemd/systemd"));
  EXPECT_FALSE(fs::exists(fs::symlink_status(image.directory + "/etc/resolv.conf")));
  EXPECT_FALSE(fs::exists(image.directory + "/etc/hostname"));
  EXPECT_EQ(fs::file_size(image.directory + "/etc/machine-id"), 0u);
  EXPECT_FALSE(fs::exists(image.directory + "/debootstrap"));
  for (const auto& entry : fs::recursive_directory_iterator(image.directory + "/var/cache/apt")) EXPECT_NE(entry.path().extension(), ".deb");
  EXPECT_TRUE(std::is_sorted(progress_.begin(), progress_.end(), [](auto& a, auto& b) { return a.percent < b.percent; }));
  EXPECT_GT(progress_.size(), 30u);
}

// ---- the box alone

class BoxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "namespaces need root";
  }
  static image::BoxedCommand shell(const std::string& text) { return {{"/bin/sh", "-c", text}, {"PATH=/usr/bin:/bin"}}; }
  int run(const std::string& text) {
    const image::ProgressMeter meter{stop_.get_token(), report_};
    return image::run_boxed(shell(text), meter, [this](std::string_view line) { lines_.emplace_back(line); });
  }
  std::stop_source stop_;
  std::function<void(Progress)> report_;
  std::vector<std::string> lines_;
};

TEST_F(BoxTest, GivesLinesOfBothStreamsAndTheStatus) {
  EXPECT_EQ(WEXITSTATUS(run("echo out; echo error >&2; printf tail; exit 3")), 3);
  EXPECT_EQ(lines_, (std::vector<std::string>{"out", "error", "tail"}));
  EXPECT_EQ(WTERMSIG(run("kill -9 $$; exec sh -c 'kill -9 $PPID'")), 0);  // the first process of a namespace is immune inside
}

TEST_F(BoxTest, MountsInsideAreNeverSeenOutside) {
  EXPECT_EQ(run("mkdir -p /tmp/sovirt-box && mount -t tmpfs none /tmp/sovirt-box && grep -c sovirt-box /proc/self/mountinfo"), 0);
  EXPECT_EQ(lines_, std::vector<std::string>{"1"});
  EXPECT_EQ(read_text("/proc/self/mountinfo").find("sovirt-box"), std::string::npos);
  fs::remove("/tmp/sovirt-box");
}

TEST_F(BoxTest, DescendantsEndWithTheFirstProcess) {
  const std::string mark = "31536" + std::to_string(::getpid());
  EXPECT_EQ(run("setsid sleep " + mark + " </dev/null >/dev/null 2>&1 & exit 0"), 0);
  EXPECT_EQ(processes_with(mark), 0);
}

TEST_F(BoxTest, CancelEndsWhatIgnoresSignals) {
  const std::string mark = "31537" + std::to_string(::getpid());
  std::jthread canceller{[&] {
    soon([&] { return processes_with(mark) > 0; });
    stop_.request_stop();
  }};
  EXPECT_THROW(run("trap '' TERM HUP INT; setsid sleep " + mark + " & wait"), Error);
  EXPECT_EQ(processes_with(mark), 0);
}

TEST_F(BoxTest, DiesWithTheDaemon) {
  const std::string mark = "31538" + std::to_string(::getpid());
  const pid_t daemon = ::fork();
  ASSERT_GE(daemon, 0);
  if (daemon == 0) {
    run("setsid sleep " + mark + " & wait");
    ::_exit(0);
  }
  EXPECT_TRUE(soon([&] { return processes_with(mark) > 0; }));
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  EXPECT_TRUE(soon([&] { return processes_with(mark) == 0; }));
}

TEST_F(BoxTest, AnAbsentProgramIsAnError) {
  const image::ProgressMeter meter{stop_.get_token(), report_};
  try {
    image::run_boxed({{"/no/such/program"}, {}}, meter, [](std::string_view) {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), ENOENT);
    EXPECT_EQ(error.syscall(), "execve");
  }
}

// ---- what is parsed

TEST(DebootstrapProgress, RisesThroughAWholeRun) {
  image::DebootstrapProgress progress;
  int last = 0, shown = 0;
  const auto line = [&](const std::string& text) {
    const auto step = progress.line(text);
    if (!step) return;
    ++shown;
    EXPECT_GE(step->percent, last) << text;
    EXPECT_LE(step->percent, 90) << text;
    last = step->percent;
  };
  line("I: Retrieving InRelease");
  line("I: Valid Release signature (key id X)");
  line("I: Resolving dependencies of base packages...");
  for (int i = 0; i < 150; ++i) line("I: Retrieving package" + std::to_string(i) + " 1.0-1");
  EXPECT_GT(last, 25);
  EXPECT_LE(last, 45);
  line("I: Chosen extractor for .deb packages: dpkg-deb");
  for (int i = 0; i < 60; ++i) line("I: Extracting package" + std::to_string(i) + "...");
  EXPECT_LE(last, 60);
  line("I: Unpacking required packages...");
  for (int i = 0; i < 150; ++i) line("I: Unpacking package" + std::to_string(i) + ":amd64...");
  for (int i = 0; i < 150; ++i) line("I: Configuring package" + std::to_string(i) + "...");
  line("I: Base system installed successfully.");
  EXPECT_EQ(last, 90);
  EXPECT_GT(shown, 500);
  EXPECT_FALSE(progress.line("W: something"));
  EXPECT_FALSE(progress.line(""));
  EXPECT_FALSE(progress.line("I: "));
}

TEST(HostApt, PicksTheMainMirrorOfDebian) {
  EXPECT_EQ(image::pick_mirror("http://s.example/debian-security/ bookworm-security main Debian-Security\n"
                               "http://m.example/debian/ bookworm-updates main Debian\nhttp://m.example/debian/ bookworm main Debian\n"),
            "http://m.example/debian");
  EXPECT_EQ(image::pick_mirror("http://x.example/ubuntu/ jammy main Ubuntu\nhttp://y.example/debian/ bookworm main\n"), "http://y.example/debian");
  EXPECT_EQ(image::pick_mirror("file:/srv/mirror/ bookworm main Debian\n"), "file:///srv/mirror");
  EXPECT_EQ(image::pick_mirror(""), std::nullopt);
  EXPECT_EQ(image::pick_mirror("cdrom:[x]/ bookworm main Debian\n\n x"), std::nullopt);
}

TEST(HostApt, PicksItsProxies) {
  EXPECT_EQ(image::pick_proxies("Acquire::http \"\";\nAcquire::http::Proxy \"http://p.example:3142/\";\nAcquire::https::Proxy \"DIRECT\";\n"),
            std::vector<std::string>{"http_proxy=http://p.example:3142/"});
  EXPECT_TRUE(image::pick_proxies("Acquire::http::Proxy::deb.example \"x\";\n").empty());
}

}  // namespace
}  // namespace sovirt::test
