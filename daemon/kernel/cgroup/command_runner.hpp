#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/cgroup_members.hpp"

namespace sovirt {

// Starts the command by `program` (sovirt-launch --run, see launcher/run_command.hpp), which enters the groups whose
// cgroup.procs are given, and only then executes it. Returns when it has been executed. Throws Error{conflict}.
pid_t run_command(const std::string& program, const CgroupCommand&, const std::vector<unique_fd>& procs);

}  // namespace sovirt
