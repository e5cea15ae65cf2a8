#include "daemon/launcher/run_command.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sovirt::launch {
namespace {

constexpr int fixed_arguments = 5;   // the program, --run, GROUPS, CPUS, CWD

[[noreturn]] void fail(RunStage stage) noexcept {
  const RunFailure failure{stage, errno};
  if (::write(run_report_fd, &failure, sizeof failure) < 0) ::_exit(126);
  ::_exit(127);
}

// "0-3,6", which the daemon has checked.
void pin(const char* list) noexcept {
  if (*list == '\0') return;
  cpu_set_t set;
  CPU_ZERO(&set);
  while (*list != '\0') {
    char* end = nullptr;
    const unsigned long first = std::strtoul(list, &end, 10);
    unsigned long last = first;
    if (*end == '-') last = std::strtoul(end + 1, &end, 10);
    for (unsigned long cpu = first; cpu <= last && cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &set);
    list = *end == ',' ? end + 1 : "";
  }
  if (::sched_setaffinity(0, sizeof set, &set) != 0) fail(RunStage::pin);
}

[[noreturn]] void become(int groups, char** argv) noexcept {
  for (int i = 1; i <= groups; ++i) {
    if (::write(run_report_fd + i, "0", 1) != 1) fail(RunStage::enter);
    ::close(run_report_fd + i);
  }
  pin(argv[3]);
  if (::chdir(argv[4]) != 0) fail(RunStage::directory);
  ::setsid();
  ::execvp(argv[fixed_arguments], argv + fixed_arguments);
  fail(RunStage::execute);
}

}  // namespace

int run_command(int argc, char** argv) noexcept {
  if (argc <= fixed_arguments || ::fcntl(run_report_fd, F_SETFD, FD_CLOEXEC) != 0) return 2;
  const int groups = std::atoi(argv[2]);
  // The child waits until its pid is written, so that the report has one order.
  int go[2];
  if (::pipe2(go, O_CLOEXEC) != 0) return 1;
  const RunReport report{::fork()};
  if (report.pid < 0) return 1;
  if (report.pid == 0) {
    char byte = 0;
    ::close(go[1]);
    if (::read(go[0], &byte, 1) != 1) ::_exit(1);
    become(groups, argv);
  }
  if (::write(run_report_fd, &report, sizeof report) != sizeof report) return 1;
  return ::write(go[1], "", 1) == 1 ? 0 : 1;
}

}  // namespace sovirt::launch
