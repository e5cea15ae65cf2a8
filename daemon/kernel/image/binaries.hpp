#pragma once
#include "api/image.hpp"
#include "daemon/kernel/image/progress_meter.hpp"
#include "daemon/kernel/image/workspace.hpp"

namespace sovirt::image {

// Error{invalid} naming the first program or file that is not on this host or lacks something.
void check_binaries(const BinariesSource&);
void build_binaries(const BinariesSource&, const Workspace&, ProgressMeter&);

}  // namespace sovirt::image
