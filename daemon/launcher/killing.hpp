#pragma once
#include <sys/types.h>

namespace sovirt::launch {

// SIGKILL to every process of the group and below it until none is left, at most ten seconds.
// fd: of its directory, or of its cgroup.procs.
void kill_group(int fd) noexcept;

// SIGKILL to a process that is a child subreaper and to everything that descends from it or is of its session.
// It is a child of the caller and stays a zombie until that reaps it, so its pid is its own meanwhile.
void kill_descendants(pid_t root) noexcept;

}  // namespace sovirt::launch
