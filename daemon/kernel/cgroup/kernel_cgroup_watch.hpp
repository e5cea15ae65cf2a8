#pragma once
#include <memory>

#include "daemon/domain/ports/cgroup_watch.hpp"
#include "daemon/kernel/cgroup/cgroup_roots.hpp"

namespace sovirt {

// Writes to limit files and removed groups by inotify, which cgroupfs serves for whatever is done by way of the file
// system; OOM kills by inotify on memory.events (v2) or an eventfd (v1); pressure by triggers of PSI (v2).
std::unique_ptr<CgroupWatch> make_cgroup_watch(std::shared_ptr<CgroupRoots>);

}  // namespace sovirt
