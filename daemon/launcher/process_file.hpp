#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::launch {

struct ProcessStat {
  pid_t pid = 0, parent = 0, session = 0;
  char state = '?';
  std::uint64_t start_ticks = 0;   // field 22 of /proc/PID/stat, see proc(5)
};

// nullopt: there is no such process (any more).
std::optional<ProcessStat> process_stat(pid_t pid);

// A pidfd of exactly this process, not of a later one with its pid; empty: it has ended.
unique_fd open_process(pid_t pid, std::uint64_t start_ticks);

// False where the kernel drops the signal: the init of a PID namespace gets only what it handles or blocks (systemd
// blocks and reads a signalfd), besides SIGKILL and SIGSTOP from outside. A process that has ended: true.
bool takes_signal(pid_t pid, int signal);

// Reads a small file whole; empty if it cannot be read.
std::string read_text(const char* path);
std::string read_text(int fd);   // from its beginning, wherever its offset is

}  // namespace sovirt::launch
