#include "daemon/kernel/mount/layer_merge.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/mount/tree_copy.hpp"

// https://docs.kernel.org/filesystems/overlayfs.html: a whiteout is a character device 0/0, an opaque directory has
// trusted.overlay.opaque="y".
namespace sovirt::rootfs {
namespace {

constexpr const char* opaque_name = "trusted.overlay.opaque";

std::string by_descriptor(int top, const std::string& path) {
  return "/proc/self/fd/" + std::to_string(top) + "/" + path;
}

enum class Is { absent, whiteout, directory, other };

Is look(int top, const std::string& path) {
  struct stat facts{};
  if (::fstatat(top, path.empty() ? "." : path.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return Is::absent;
    throw errno_error("fstatat", path);
  }
  if (S_ISCHR(facts.st_mode) && facts.st_rdev == makedev(0, 0)) return Is::whiteout;
  return S_ISDIR(facts.st_mode) ? Is::directory : Is::other;
}

bool opaque(int top, const std::string& path) {
  char value = 0;
  return ::lgetxattr(by_descriptor(top, path).c_str(), opaque_name, &value, 1) == 1 && value == 'y';
}

std::vector<std::string> names_in(int top, const std::string& path) {
  unique_fd directory{::openat(top, path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  const std::unique_ptr<DIR, int (*)(DIR*)> open{directory ? ::fdopendir(directory.get()) : nullptr, [](DIR* one) { return one ? ::closedir(one) : 0; }};
  if (!open) throw errno_error("fdopendir", path);
  directory.release();
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(open.get()))
    if (const std::string_view name = entry->d_name; name != "." && name != "..") names.emplace_back(name);
  return names;
}

class Merge {
 public:
  Merge(int upper, int lower, int into)
      : upper_(upper), lower_(lower), into_(into), from_upper_(upper, into, Content::linked), from_lower_(lower, into, Content::linked) {}

  void run() {
    from_upper_.directory("");
    std::vector<std::string> pending{""};
    while (!pending.empty()) {
      const std::string at = std::move(pending.back());
      pending.pop_back();
      const std::string prefix = at.empty() ? "" : at + "/";
      for (const std::string& name : names_in(upper_, at))
        if (over(prefix + name)) pending.push_back(prefix + name);
      for (const std::string& name : names_in(lower_, at))
        if (look(upper_, prefix + name) == Is::absent) from_lower_.entry(prefix + name);
    }
    from_lower_.finish();
    from_upper_.finish();
  }

 private:
  // One entry of the upper layer. True: a directory of both, whose contents are still to be merged.
  bool over(const std::string& path) {
    const Is below = look(lower_, path);
    if (look(upper_, path) != Is::directory || opaque(upper_, path) || below == Is::absent) {
      from_upper_.entry(path);
      return false;
    }
    const bool hides = below != Is::directory || opaque(lower_, path);
    if (below == Is::directory) from_upper_.directory(path);
    else from_upper_.entry(path);
    // What the lower layer hid of those further down stays hidden.
    if (hides && ::lsetxattr(by_descriptor(into_, path).c_str(), opaque_name, "y", 1, 0) != 0) throw errno_error("lsetxattr", path);
    return below == Is::directory;
  }

  int upper_, lower_, into_;
  TreeCopy from_upper_, from_lower_;
};

}  // namespace

void merge_layers(int upper, int lower, int into) { Merge{upper, lower, into}.run(); }

}  // namespace sovirt::rootfs
