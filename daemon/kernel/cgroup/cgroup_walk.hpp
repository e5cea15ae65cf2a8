#pragma once
#include <sys/types.h>

#include <functional>
#include <set>
#include <string>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {

struct CgroupVisit {
  std::function<void(int directory)> enter;                                // each group, parents first
  std::function<void(int parent, const std::string& name)> leave;          // each group below the top, children first
};

// Goes through a group and all below it. What appears or vanishes meanwhile is seen or not. One descriptor at a time,
// however deep a container nested its groups: a deep tree must not be able to exhaust ours.
void walk_groups(unique_fd top, const CgroupVisit&);

// Adds the processes of the group and of all below it. Those of other pid namespaces' ancestors (shown as 0) are left out.
void collect_processes(unique_fd group, std::set<pid_t>& into);

}  // namespace sovirt
