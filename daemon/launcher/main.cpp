#include <signal.h>
#include <sys/prctl.h>

#include <cstdio>
#include <cstring>

#include "daemon/launcher/monitor.hpp"
#include "daemon/launcher/run_command.hpp"

// sovirt-launch: started by sovirtd with a control socket as descriptor 3, see protocol.hpp.
int main(int argc, char** argv) {
  constexpr int control = 3;
  if (argc > 1 && std::strcmp(argv[1], sovirt::launch::run_option) == 0) return sovirt::launch::run_command(argc, argv);
  if (argc != 2 || std::strcmp(argv[1], "--control=3") != 0) {
    std::fputs("sovirt-launch " SOVIRT_VERSION ": started by sovirtd, which talks to it on descriptor 3\n", stderr);
    return 2;
  }
  // It outlives the daemon and whatever terminal that was started from, and ends with its container only.
  // Blocked and not ignored: what is ignored stays so across CLONE_CLEAR_SIGHAND and execve, and would be ignored by
  // the container's processes too; the mask they reset.
  sigset_t blocked;
  ::sigemptyset(&blocked);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGQUIT}) ::sigaddset(&blocked, signal);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  ::prctl(PR_SET_NAME, "sovirt-launch", 0, 0, 0);
  try {
    sovirt::launch::Monitor monitor{sovirt::unique_fd{control}};
    monitor.run();
  } catch (const std::exception&) {
    return 1;   // whoever waits sees the socket end
  }
  return 0;
}
