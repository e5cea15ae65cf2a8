#pragma once
#include <memory>

#include "daemon/domain/ports/root_filesystems.hpp"

namespace sovirt {

// Root file systems by overlayfs through the mount API of file descriptors (Linux 5.2 and later).
std::unique_ptr<RootFilesystems> make_root_filesystems();

}  // namespace sovirt
