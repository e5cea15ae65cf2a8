#pragma once
#include <cstdint>
#include <string>

#include "api/image.hpp"
#include "daemon/kernel/image/progress_meter.hpp"
#include "daemon/kernel/image/workspace.hpp"

namespace sovirt::image {

// `uploaded` is used when the source names no path.
// Throws Error{invalid} unless the file has this digest ("sha256:…").
void verify_digest(int fd, std::uint64_t size, const std::string& path, const std::string& digest, ProgressMeter&);
void check_tarball(const TarballSource&, const std::string& uploaded);
void build_tarball(const TarballSource&, const std::string& uploaded, const Workspace&, ProgressMeter&);

}  // namespace sovirt::image
