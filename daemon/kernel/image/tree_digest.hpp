#pragma once
#include <cstdint>
#include <string>

#include "daemon/kernel/image/progress_meter.hpp"

namespace sovirt::image {

struct TreeSummary {
  std::string hex;           // SHA-256
  std::uint64_t size = 0;    // bytes of regular files, each once however many links it has
};

// The same for trees with the same paths, types, modes, owners, link targets, device numbers, extended attributes and
// contents; holes and zeros are the same content, and times do not count. Blocks; looks for a stop all the time.
TreeSummary digest_tree(int root, ProgressMeter&);

}  // namespace sovirt::image
