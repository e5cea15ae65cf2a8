#pragma once
#include <optional>
#include <string>

namespace sovirt::rootfs {

// The first of the paths that kernels and container engines try, if it is executable there.
std::optional<std::string> find_init(int root);

// The signal by which the program at `path` (absolute in the root), as process 1, shuts its system down.
int shutdown_signal(int root, const std::string& path);

}  // namespace sovirt::rootfs
