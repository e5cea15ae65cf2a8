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

// Reads a small file whole; empty if it cannot be read.
std::string read_text(const char* path);
std::string read_text(int fd);   // from its beginning, wherever its offset is

}  // namespace sovirt::launch
