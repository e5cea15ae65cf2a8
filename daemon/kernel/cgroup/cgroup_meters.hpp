#pragma once
#include <memory>

#include "daemon/domain/ports/cgroup_meters.hpp"
#include "daemon/kernel/cgroup/cgroup_roots.hpp"

namespace sovirt {

std::unique_ptr<CgroupMeters> make_cgroup_meters(std::shared_ptr<CgroupRoots>);

}  // namespace sovirt
