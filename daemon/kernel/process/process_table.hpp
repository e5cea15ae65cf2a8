#pragma once
#include <vector>

#include "daemon/domain/ports/launcher.hpp"

namespace sovirt::process {

// See Launcher::describe. From /proc.
std::vector<ContainerProcess> describe_processes(const std::vector<pid_t>&);

}  // namespace sovirt::process
