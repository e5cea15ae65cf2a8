#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <utility>

#include <sys/stat.h>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::rootfs {

enum class Content { copied, linked };   // linked: files get a further name instead of a copy

// Makes the same tree as one that nobody changes meanwhile, entry by entry: files with their holes and shared blocks,
// hard links, device nodes (whiteouts are such), owners, modes, times and every extended attribute.
// Directories are opened one at a time by their path, so depth costs no descriptors.
class TreeCopy {
 public:
  TreeCopy(int from, int to, Content, std::stop_token = {}, const std::function<void(std::uint64_t)>* progress = nullptr);
  // The entries of one directory of `from` with all below them; "" is the top. The directory itself must be there.
  void children(const std::string& directory);
  // One entry, with all below it.
  void entry(const std::string& path);
  // Makes a directory as it is in `from`, without what is in it.
  void directory(const std::string& path);
  void finish();   // the times of directories, which everything put into them changed

 private:
  void file(const std::string& path, const struct stat&);
  void node(const std::string& path, const struct stat&);
  void link(const std::string& path, const struct stat&);
  void bytes(int from, int to, const struct stat&, const std::string& path);
  bool linked(const std::string& path, const struct stat&);
  void attributes(const std::string& path, const struct stat&);
  void check() const;

  int from_, to_;
  Content content_;
  std::stop_token stop_;
  const std::function<void(std::uint64_t)>* progress_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  std::map<std::string, std::pair<timespec, timespec>> times_;   // of directories
  std::uint64_t copied_ = 0;
};

// Every extended attribute of an entry that the other lacks, links not followed. `keep`: which of them.
void copy_attributes(int from, const std::string& from_path, int to, const std::string& to_path,
                     const std::function<bool(std::string_view)>& keep = {});

}  // namespace sovirt::rootfs
