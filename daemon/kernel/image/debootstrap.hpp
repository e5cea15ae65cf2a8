#pragma once
#include "api/image.hpp"
#include "daemon/kernel/image/progress_meter.hpp"
#include "daemon/kernel/image/workspace.hpp"

namespace sovirt::image {

// Error{unsupported} without the tool or its keyring, Error{invalid} for a suite it does not know.
void check_debootstrap(const DebootstrapSource&);
void build_debootstrap(const DebootstrapSource&, const Workspace&, ProgressMeter&);

}  // namespace sovirt::image
