#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/cgroup_watch.hpp"

namespace sovirt {

// A process that the kernel has killed for want of memory, as its log tells.
struct OomRecord {
  KilledProcess victim;
  std::string group;            // in its memory hierarchy; "": a burst of them, the log leaves it out
};

// Of one line of the kernel's log: "oom-kill:…,task_memcg=/a/b,task=NAME,pid=N,uid=N" (with the group, but rate limited) or
// "…: Killed process N (NAME) …" (always). Pure.
std::optional<OomRecord> parse_oom_line(std::string_view line);

// The kernel's log from now on. Where it cannot be read, nothing is in it.
class OomLog {
 public:
  OomLog();
  // Since the last call; a process once, with its group if any of its lines has it.
  std::vector<OomRecord> read();
  bool readable() const noexcept { return bool{log_}; }

 private:
  unique_fd log_;
};

}  // namespace sovirt
