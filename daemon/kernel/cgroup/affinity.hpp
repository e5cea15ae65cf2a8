#pragma once
#include <sched.h>
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace sovirt {

// The CPUs that the threads of a process were pinned to, narrower than the CPUs its group had anyway. Before Linux 6.2 a
// move into a group of a cpuset hierarchy (on v2: into any group with that controller) silently undoes a taskset.
class PinnedThreads {
 public:
  // `effective`: the CPUs of the group it is in now, "0-3"; "": not known, nothing is held.
  PinnedThreads(pid_t pid, const std::string& effective);
  // After the move: as before, as far as the new group allows.
  void pin_again() const noexcept;

 private:
  std::vector<std::pair<pid_t, cpu_set_t>> threads_;
};

}  // namespace sovirt
