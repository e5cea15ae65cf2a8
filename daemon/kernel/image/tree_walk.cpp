#include "daemon/kernel/image/tree_walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/base/unique_fd.hpp"

namespace sovirt::image {
namespace {

constexpr int deepest = 256;

std::vector<std::string> sorted_names(int directory, const std::string& path) {
  unique_fd again{::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  const std::unique_ptr<DIR, int (*)(DIR*)> open{again ? ::fdopendir(again.get()) : nullptr, [](DIR* one) { return one ? ::closedir(one) : 0; }};
  if (!open) throw errno_error("fdopendir", path);
  again.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) throw errno_error("readdir", path);
  std::sort(names.begin(), names.end());
  return names;
}

void walk(int directory, const std::string& path, int depth, const std::function<void(const TreeEntry&)>& visit) {
  if (depth > deepest) throw Error{Code::invalid, "the tree is more than 256 directories deep at " + path.substr(0, 120)};
  for (std::string& name : sorted_names(directory, path)) {
    TreeEntry entry{path.empty() ? name : path + "/" + name, directory, std::move(name), {}};
    if (::fstatat(directory, entry.name.c_str(), &entry.facts, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("fstatat", entry.path);
    visit(entry);
    if (!S_ISDIR(entry.facts.st_mode)) continue;
    const unique_fd inside{::openat(directory, entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!inside) throw errno_error("openat", entry.path);
    walk(inside.get(), entry.path, depth + 1, visit);
  }
}

}  // namespace

void walk_tree(int root, const std::function<void(const TreeEntry&)>& visit) {
  const unique_fd top{::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!top) throw errno_error("openat", "the root directory");
  TreeEntry entry{"", top.get(), ".", {}};
  if (::fstat(top.get(), &entry.facts) != 0) throw errno_error("fstat", "the root directory");
  visit(entry);
  walk(top.get(), "", 0, visit);
}

}  // namespace sovirt::image
