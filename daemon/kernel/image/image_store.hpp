#pragma once
#include <string>
#include <vector>

#include "daemon/kernel/image/workspace.hpp"

namespace sovirt::image {

// Finished images: IMAGES/<sha256 hex>/rootfs. An image appears whole by one rename, and leaves by one.
class ImageStore {
 public:
  ImageStore(std::string images_dir, std::string temp_dir);

  // Moves a built tree in; if the digest is there already that one is kept. Returns the rootfs.
  std::string publish(const Workspace&, const std::string& hex) const;
  bool remove(const std::string& digest) const;                          // "sha256:…"; false: absent
  void collect(const std::vector<std::string>& digests_in_use) const;

 private:
  void collect_temporary() const;
  std::string images_dir_, temp_dir_;
};

}  // namespace sovirt::image
