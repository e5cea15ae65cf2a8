#pragma once
#include "daemon/domain/ports/root_filesystems.hpp"

namespace sovirt::rootfs {

// overlayfs of these layers as a detached mount. The first words that depend on a kernel's build or module options are
// given, not left to it: what one boot wrote, the next must read alike.
unique_fd mount_overlay(const RootfsLayers&);
// The same without an upper directory: read-only.
unique_fd mount_read_only(const std::string& lower, const std::vector<std::string>& layers);

}  // namespace sovirt::rootfs
