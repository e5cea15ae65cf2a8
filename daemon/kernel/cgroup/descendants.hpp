#pragma once
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace sovirt {

struct ProcessFacts {
  std::string name;
  pid_t parent = 0;
  bool kernel_thread = false;
  bool ended = false;                  // a zombie
  std::uint64_t start_ticks = 0;
};

std::optional<ProcessFacts> process_facts(pid_t pid);   // nullopt: there is none

// The process and, generation by generation, all whose parent is one of them, as /proc shows it in one pass. A process
// that ends while we look hands its children to another parent, so one look is not enough: see CgroupMembers::attach.
std::set<pid_t> with_descendants(pid_t pid);

}  // namespace sovirt
