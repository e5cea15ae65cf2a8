#pragma once
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "api/image.hpp"

namespace sovirt {

struct BuiltImage {
  std::string digest;        // "sha256:…" over the tree: paths, types, modes, owners, link targets, xattrs, contents
  std::string directory;     // read-only root; <images>/<digest>/rootfs
  std::uint64_t size = 0;    // bytes of its files
  std::string architecture;  // "amd64", "arm64", … from the ELF header of its shell or init; "unknown"
  std::string os;            // PRETTY_NAME of os-release, "unknown"
};

struct Progress { int percent = 0; std::string message; };

// Builds root file systems below one directory, content-addressed: the same tree is there once. Thread-safe.
// Nothing is left of a build that fails, is cancelled or is killed (leftovers of earlier builds: collect()).
class ImageBuilder {
 public:
  virtual ~ImageBuilder() = default;
  // uploaded: path of the content given to …/content, "" if none. Throws Error; Error{cancelled} on stop.
  virtual BuiltImage build(const ImageSpec&, const std::string& uploaded, std::stop_token,
                           const std::function<void(Progress)>&) = 0;
  virtual bool remove(const std::string& digest) = 0;
  // Removes unfinished builds and every image whose digest is not in use. Only at start, before any build.
  virtual void collect(const std::vector<std::string>& digests_in_use) = 0;
  // Checks what can be checked before an operation is begun: files there, tool installed, mirror known.
  virtual void check(const ImageSpec&, const std::string& uploaded) = 0;
};

}  // namespace sovirt
