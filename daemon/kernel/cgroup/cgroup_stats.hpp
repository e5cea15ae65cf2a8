#pragma once
#include "api/json.hpp"
#include "daemon/kernel/cgroup/cgroup_roots.hpp"

namespace sovirt {

// See CgroupMeters::stats.
Json read_stats(const CgroupRoots&, std::string_view group);

}  // namespace sovirt
