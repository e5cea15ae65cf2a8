#pragma once
#include <sys/types.h>

#include <functional>
#include <stop_token>
#include <string>

#include "daemon/domain/ports/image_builder.hpp"

namespace sovirt {

struct WrittenArchive {
  std::uint64_t size = 0;    // bytes of the file
  std::string digest;        // "sha256:…" of the file
};

// Root file systems in archives (tar, zstd), and as images. An image's archive is its tree, which the tarball source
// takes back with the same digest. A container's begins with a document, `sovirt.json`, and has its tree below `rootfs/`.
// Device nodes, sockets and overlayfs's own marks are left out, as they are when an archive is read. Thread-safe.
// Throws Error; Error{cancelled} on stop, and then nothing is left.
class Archives {
 public:
  virtual ~Archives() = default;
  using Report = std::function<void(Progress)>;
  // A mounted tree as an image, with the identity of the system that it was taken from removed.
  virtual BuiltImage publish(int root, std::stop_token, const Report&) = 0;
  // `document`: "" for an image. `path` must not exist: Error{exists}. The file belongs to `owner` alone.
  virtual WrittenArchive write(int root, const std::string& document, const std::string& path, uid_t owner, std::stop_token, const Report&) = 0;
  // The document of a container's archive. Error{invalid} for anything else.
  virtual std::string document(const std::string& path) = 0;
  // The tree of a container's archive as an image. `digest`: of the file, "" to skip the check.
  virtual BuiltImage read(const std::string& path, const std::string& digest, std::stop_token, const Report&) = 0;
};

}  // namespace sovirt
