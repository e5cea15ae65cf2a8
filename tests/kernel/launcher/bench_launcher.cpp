#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "tests/kernel/launcher/launcher_host.hpp"

// bench_launcher [COUNT] [direct]: microseconds of begin + go and of exec, minimum and median of COUNT.
namespace {

using Clock = std::chrono::steady_clock;

double micros(Clock::time_point since) { return std::chrono::duration<double, std::micro>(Clock::now() - since).count(); }

void print(const char* what, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  std::printf("%-24s min %8.0f  median %8.0f  max %8.0f us\n", what, times.front(), times[times.size() / 2], times.back());
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 50;
  const bool spare = argc < 3 || std::strcmp(argv[2], "direct") != 0;
  sovirt::test::LauncherHost host{spare ? sovirt::test::Mode::spare : sovirt::test::Mode::direct};
  std::vector<double> whole, first, second, execs;
  for (int i = 0; i < count; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));   // the spare is there again
    const std::string uid = "b" + std::to_string(i);
    const sovirt::unique_fd rootfs = host.rootfs();
    const sovirt::LaunchSpec spec = host.launch_spec(uid, {"/bin/sleep", "600"});
    const auto begin = Clock::now();
    const auto launch = host.launcher().begin(spec, rootfs.duplicate());
    first.push_back(micros(begin));
    const sovirt::unique_fd netns = sovirt::test::new_netns();
    const auto go = Clock::now();
    launch->go(netns.get());
    second.push_back(micros(go));
    whole.push_back(micros(begin));
    for (int j = 0; j < 3; ++j) {
      const auto exec = Clock::now();
      host.exec(uid, {"/bin/true"});
      execs.push_back(micros(exec));
    }
    host.launcher().signal(uid, SIGKILL);
    host.wait(uid);
    host.launcher().forget(uid);
    host.cgroups().remove("c." + uid);
  }
  print("begin", first);
  print("go", second);
  print("begin + netns + go", whole);
  print("exec /bin/true", execs);
  return 0;
}
