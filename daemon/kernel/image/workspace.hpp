#pragma once
#include <string>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::image {

// A directory for one build below the temporary directory, gone with the object. Its name begins with `build-`, by
// which the next start finds what a killed daemon left.
class Workspace {
 public:
  explicit Workspace(const std::string& temp_dir);
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace();

  const std::string& path() const noexcept { return path_; }
  std::string image() const { return path_ + "/image"; }          // what becomes the image's directory
  std::string rootfs() const { return path_ + "/image/rootfs"; }
  int root() const noexcept { return root_.get(); }                // O_PATH of rootfs

 private:
  std::string path_;
  unique_fd root_;
};

constexpr const char* workspace_prefix = "build-";
constexpr const char* removal_prefix = "remove-";
std::string random_suffix();                                       // 16 hexadecimal digits
void make_directories(const std::string& path, unsigned mode);     // exists: fine

}  // namespace sovirt::image
