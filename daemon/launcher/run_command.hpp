#pragma once
#include <sys/types.h>

#include <string_view>

namespace sovirt::launch {

// sovirt-launch --run GROUPS CPUS CWD COMMAND…: a child of it enters the groups whose cgroup.procs are the descriptors
// after run_report_fd, pins itself to CPUS ("" for none), and executes COMMAND. On run_report_fd it says first who that
// child is, and then nothing or what went wrong. sovirt-launch itself ends at once: the command is nobody's child.
inline constexpr const char* run_option = "--run";
inline constexpr int run_report_fd = 3;

struct RunReport {
  pid_t pid = 0;
};

enum class RunStage : int { enter = 1, pin, directory, execute };

struct RunFailure {
  RunStage stage{};
  int number = 0;   // errno
};

constexpr std::string_view stage_text(RunStage stage) noexcept {
  switch (stage) {
    case RunStage::enter: return "cgroup.procs";
    case RunStage::pin: return "sched_setaffinity";
    case RunStage::directory: return "chdir";
    case RunStage::execute: return "execve";
  }
  return "?";
}

int run_command(int argc, char** argv) noexcept;   // the exit status of sovirt-launch

}  // namespace sovirt::launch
