#pragma once
#include <sys/stat.h>

#include <set>
#include <string>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/image/progress_meter.hpp"

namespace sovirt::image {

// Copies files of this host into a root at the same paths: with the links that lead to them as links, so that /bin
// stays a link to usr/bin, and with the directories, modes, owners and capabilities they have. Each path once.
class FileCopier {
 public:
  FileCopier(int root, const ProgressMeter& meter);
  // A file, a link with what it points to, or a directory with everything below it on the same file system.
  void copy(const std::string& path);

 private:
  enum class Children { no, yes };
  void copy(const std::string& path, int links, Children children);
  bool step(const std::string& at, const std::string& rest, int links, Children children);
  void directory(const std::string& path, const struct stat& facts);
  void regular(const std::string& path, const struct stat& facts);
  void children(const std::string& path, dev_t device, int depth);
  void link(const std::string& path, const struct stat& facts, const std::string& target);
  unique_fd parent_in_root(const std::string& path) const;

  int root_;
  const ProgressMeter* meter_;
  unique_fd host_;
  std::set<std::string> done_;
};

}  // namespace sovirt::image
