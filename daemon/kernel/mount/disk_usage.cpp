#include "daemon/kernel/mount/disk_usage.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <utility>

namespace sovirt::rootfs {

std::uint64_t disk_usage(const std::string& directory) {
  namespace fs = std::filesystem;
  std::uint64_t bytes = 0;
  std::set<std::pair<dev_t, ino_t>> counted;
  const auto add = [&](const std::string& path) {
    struct stat facts{};
    if (::lstat(path.c_str(), &facts) != 0) return;
    if (S_ISDIR(facts.st_mode) || facts.st_nlink < 2 || counted.insert({facts.st_dev, facts.st_ino}).second)
      bytes += static_cast<std::uint64_t>(facts.st_blocks) * 512;
  };
  std::error_code error;
  add(directory);
  // Follows no link; what cannot be read any more is gone.
  for (fs::recursive_directory_iterator at{directory, fs::directory_options::skip_permission_denied, error}, end; !error && at != end; at.increment(error))
    add(at->path().string());
  return bytes;
}

}  // namespace sovirt::rootfs
