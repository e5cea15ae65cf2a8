#pragma once
#include <chrono>
#include <string>

namespace sovirt::ctl {

class Session;

struct ExecRun {
  std::string target;                        // of the upgrade, with its query
  bool terminal = false;                     // the process has one of its own
  bool reads_input = true;
  std::chrono::nanoseconds timeout{0};       // 0: none; then it is ended
};

// Runs a command over a WebSocket with our own streams; gives the exit status, 128 + N for signal N.
int run_exec(Session&, const ExecRun&);

}  // namespace sovirt::ctl
