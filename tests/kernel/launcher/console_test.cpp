#include <sys/stat.h>

#include <thread>

#include "tests/kernel/launcher/fixture.hpp"

namespace sovirt::test {
namespace {

using ConsoleTest = LauncherTest;
INSTANTIATE_TEST_SUITE_P(Launcher, ConsoleTest, all_modes(), mode_name);

std::uint64_t size_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

TEST_P(ConsoleTest, offsets_survive_rotation) {
  host().log_bytes = 1000;
  // 300 lines of 10 bytes ("\r\n" is a terminal's), so that the first 1000 are gone at the end.
  host().sh("a", "i=1000; while test $i -lt 1300; do echo line$i; i=$((i+1)); done; exec sleep 600");
  ASSERT_TRUE(host().log_has("a", "line1299\r\n"));
  const std::string path = host().log_path("a");
  EXPECT_LE(size_of(path), 1000u);
  EXPECT_LE(size_of(path + ".1"), 1000u);
  const Launcher::Log all = launcher().console_log(path, 0, 1 << 20);
  EXPECT_EQ(all.end, 3000u);
  EXPECT_GE(all.bytes.size(), 1000u);
  EXPECT_EQ(launcher().console_log(path, 2500, 20).bytes, "line1250\r\nline1251\r\n");
  EXPECT_EQ(launcher().console_log(path, 2500, 20).end, 2520u);
  EXPECT_EQ(launcher().console_log(path, 3000, 100).bytes, "");
  EXPECT_EQ(launcher().console_log(path, 9999, 100).end, 3000u);
}

TEST_P(ConsoleTest, last_words_are_in_the_log_when_the_end_is_told) {
  host().sh("a", "i=0; while test $i -lt 500; do echo word$i; i=$((i+1)); done; echo last; exit 0");
  ASSERT_TRUE(host().wait("a"));
  EXPECT_TRUE(host().log("a").ends_with("last\r\n"));
}

TEST_P(ConsoleTest, a_next_run_appends) {
  host().sh("a", "echo first");
  ASSERT_TRUE(host().wait("a"));
  launcher().forget("a");
  host().sh("a", "echo second");
  ASSERT_TRUE(soon([&] { return host().ends("a") == 2; }));
  EXPECT_EQ(host().log("a"), "first\r\nsecond\r\n");
}

TEST_P(ConsoleTest, a_monitor_sleeps_while_nobody_has_the_terminal_open) {
  // Then the master is hung up all the time, which must not keep the monitor busy.
  const Launched launched = host().sh("a", "exec sleep 600 < /dev/null > /dev/null 2>&1");
  const std::string path = "/proc/" + std::to_string(launched.monitor.pid) + "/status";
  const auto switches = [&] {
    const std::string status = read_file(path);
    return std::stol(status.substr(status.find("\nvoluntary_ctxt_switches:") + 25));
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const long before = switches();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(switches(), before);
  EXPECT_EQ(host().exec("a", {"sh", "-c", "echo woken > /dev/console"}).exit.code, 0);
  EXPECT_TRUE(host().log_has("a", "woken"));
}

}  // namespace
}  // namespace sovirt::test
