#pragma once
#include <string>

#include "api/image.hpp"
#include "daemon/kernel/image/progress_meter.hpp"
#include "daemon/kernel/image/workspace.hpp"

namespace sovirt::image {

// `uploaded` is used when the source names no path.
void check_tarball(const TarballSource&, const std::string& uploaded);
void build_tarball(const TarballSource&, const std::string& uploaded, const Workspace&, ProgressMeter&);

}  // namespace sovirt::image
