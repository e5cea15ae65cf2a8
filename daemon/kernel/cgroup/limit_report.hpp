#pragma once
#include "api/json.hpp"
#include "daemon/kernel/cgroup/cgroup_roots.hpp"

namespace sovirt {

// See CgroupMeters::controllers.
Json report_limits(const CgroupRoots&, std::string_view group, const LimitsSpec& asked, bool everything);

}  // namespace sovirt
