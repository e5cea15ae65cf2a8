#pragma once
#include <string>

#include "daemon/domain/ports/cgroup_tree.hpp"

namespace sovirt {

// Writes a limit of memory (memory.max, memory.limit_in_bytes, memory.memsw.limit_in_bytes). v2 takes any number and kills
// until the group is below it, where v1 refuses what it cannot reclaim. Here both do the same: what fits after reclaiming
// is taken; what does not is EBUSY, or, with `kill`, the largest process of the group ends, and so on until it fits.
// 0: written. Adds to the outcome.
int write_memory_limit(int directory, const std::string& file, const std::string& value, bool kill, LimitsOutcome&);

}  // namespace sovirt
