#pragma once
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/kernel/cgroup/fork_events.hpp"

namespace sovirt {

struct ProcessFacts {
  std::string name;
  pid_t parent = 0, session = 0;
  bool kernel_thread = false;
  bool ended = false;                  // a zombie
  std::uint64_t start_ticks = 0;
};

std::optional<ProcessFacts> process_facts(pid_t pid);   // nullopt: there is none

// A process and all that it has started, followed while they fork and end. /proc shows who a process's parent is, but not
// who it was: the children of one that ends become init's. So the kernel's word of each fork is heard from the beginning;
// where it gives none, an orphan that was not there at first and is of the same session counts as one of them.
class Family {
 public:
  explicit Family(pid_t top);
  std::set<pid_t> look();            // those that live, by a pass over /proc
  // Since the last call of either, but for the children of the settled; many have ended by now. Empty without the kernel's word.
  std::vector<pid_t> newborn();
  void settle(pid_t pid) { settling_.insert(pid); }   // whatever it forks from here on is of no concern, nor what those fork
  bool complete() const noexcept { return complete_; }   // did the last look hear of every fork before it?

 private:
  using Table = std::map<pid_t, ProcessFacts>;
  std::vector<pid_t> hear();
  void adopt(const Table&);
  bool belongs(pid_t pid, const ProcessFacts&) const;
  void forget_reused(const Table&);

  std::optional<ForkEvents> forks_;
  std::map<pid_t, std::uint64_t> members_;   // pid -> start_ticks, 0: not seen yet; the dead too, whose children come
  std::map<pid_t, std::uint64_t> first_;     // all of the host at the beginning
  std::set<pid_t> reapers_, sessions_;
  std::set<pid_t> settled_, settling_;       // settling: once all that was told before is heard
  bool complete_ = true;
};

}  // namespace sovirt
