#pragma once
#include "client/ctl/command.hpp"

namespace sovirt::ctl {

void add_cgroup_processes(Command& cgroup);   // ps, run, spawn, attach, release, stats

}  // namespace sovirt::ctl
