#pragma once
#include <set>
#include <string_view>
#include <vector>

#include "daemon/kernel/cgroup/hierarchy_root.hpp"

namespace sovirt {

// The processes of a group and below, in any of the hierarchies: one that died half attached is in some of them only.
std::set<pid_t> processes_of(const std::vector<HierarchyRoot>&, std::string_view group);

// SIGKILL to all of them until none is left; the group is thawed afterwards. Error{timed_out} at the deadline, with the pids.
void kill_group(const std::vector<HierarchyRoot>&, std::string_view group, const Deadline&);

}  // namespace sovirt
