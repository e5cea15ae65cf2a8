#include "daemon/kernel/mount/remove_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::rootfs {
namespace {

constexpr int deepest = 32;
constexpr std::size_t batch = 4096;

struct CloseDirectory { void operator()(DIR* open) const noexcept { ::closedir(open); } };
struct Entry { std::string name; bool directory; };

int open_directory(int parent, const std::string& name) noexcept {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  return static_cast<int>(::syscall(SYS_openat2, parent, name.c_str(), &how, sizeof how));
}

// chattr +i and +a keep even root from unlinking. Only what opens without an effect can have them.
bool clear_attributes(int parent, const std::string& name) noexcept {
  struct stat facts{};
  if (::fstatat(parent, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (!S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode)) return false;
  const unique_fd file{::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  int flags = 0;
  if (!file || ::ioctl(file.get(), FS_IOC_GETFLAGS, &flags) != 0 || (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) == 0) return false;
  flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
  return ::ioctl(file.get(), FS_IOC_SETFLAGS, &flags) == 0;
}

class Remover {
 public:
  explicit Remover(int top) : top_(top) {}

  void empty(int directory, const std::string& path, int depth) {
    // In batches, so that a directory of millions needs no memory for all of its names.
    while (true) {
      const std::vector<Entry> entries = list(directory, path);
      std::size_t gone = 0;
      for (const Entry& entry : entries) gone += remove(directory, path, entry, depth) ? 1 : 0;
      if (entries.empty() || gone == 0) return;
    }
  }

  void remove_top(int parent, const std::string& name) { unlink(parent, name, {name, true}); }
  bool failed() const noexcept { return !failures_.empty(); }
  void fail(const std::string& path, int number) {
    const char* why = ::strerrordesc_np(number);
    std::string text = path + ": " + (why ? why : "unknown error");
    const bool told = std::find(failures_.begin(), failures_.end(), text) != failures_.end();
    if (!told && failures_.size() < 8) failures_.push_back(std::move(text));
    if (first_ == 0) first_ = number;
  }
  [[noreturn]] void raise(const std::string& what) const {
    std::string detail = what + " could not be removed whole:";
    for (const std::string& one : failures_) detail += " " + one + ";";
    detail.pop_back();
    throw Error{first_ == EXDEV || first_ == EBUSY ? Code::conflict : Code::internal, detail}
        .with_errno(first_, "unlinkat")
        .with_hint("something is mounted there or protects these files; unmount or release it, and delete again");
  }

 private:
  std::vector<Entry> list(int directory, const std::string& path) {
    std::vector<Entry> entries;
    unique_fd again{::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    const std::unique_ptr<DIR, CloseDirectory> open{again ? ::fdopendir(again.get()) : nullptr};
    if (!open) {
      fail(path, errno);
      return entries;
    }
    again.release();
    while (entries.size() < batch) {
      const dirent* entry = ::readdir(open.get());
      if (!entry) break;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      entries.push_back({std::string(name), is_directory(directory, *entry)});
    }
    return entries;
  }

  static bool is_directory(int parent, const dirent& entry) noexcept {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
    struct stat facts{};
    return ::fstatat(parent, entry.d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(facts.st_mode);
  }

  bool remove(int parent, const std::string& path, const Entry& entry, int depth) {
    const std::string whole = path + "/" + entry.name;
    if (entry.directory && depth >= deepest) return lift(parent, whole, entry.name);
    if (entry.directory && !descend(parent, whole, entry.name, depth)) return false;
    return unlink(parent, whole, entry);
  }

  bool descend(int parent, const std::string& whole, const std::string& name, int depth) {
    const unique_fd inside{open_directory(parent, name)};
    if (inside) empty(inside.get(), whole, depth + 1);
    else if (errno != ENOENT) fail(whole, errno);
    return static_cast<bool>(inside);
  }

  // Too deep: moved to the top, whose next pass removes it. So no path or recursion grows without bound.
  bool lift(int parent, const std::string& whole, const std::string& name) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const std::string lifted = ".sovirt-lifted-" + std::to_string(++lifted_);
      if (::renameat2(parent, name.c_str(), top_, lifted.c_str(), RENAME_NOREPLACE) == 0) return true;
      if (errno == EPERM && (clear_attributes(parent, name) || clear_attributes(parent, "."))) continue;
      if (errno != EEXIST) break;
    }
    fail(whole, errno);
    return false;
  }

  bool unlink(int parent, const std::string& whole, const Entry& entry) {
    const int flags = entry.directory ? AT_REMOVEDIR : 0;
    if (::unlinkat(parent, entry.name.c_str(), flags) == 0 || errno == ENOENT) return true;
    const int number = errno;
    if (number == EPERM) {  // its own attribute, or its directory's
      const bool own = clear_attributes(parent, entry.name), above = clear_attributes(parent, ".");
      if ((own || above) && ::unlinkat(parent, entry.name.c_str(), flags) == 0) return true;
    }
    // A directory that is not empty has said already why.
    if (number != ENOTEMPTY || !failed()) fail(whole, number);
    return false;
  }

  int top_;
  unsigned lifted_ = 0;
  int first_ = 0;
  std::vector<std::string> failures_;
};

}  // namespace

bool remove_tree_at(int parent, const std::string& name) {
  const unique_fd top{open_directory(parent, name)};
  if (!top && errno == ENOENT) return false;
  if (!top && errno == EXDEV) throw Error{Code::conflict, name + " is a mount point: not removed"}.with_errno(EXDEV, "openat2");
  if (!top) throw errno_error("openat2", name);
  Remover remover{top.get()};
  remover.empty(top.get(), name, 0);
  if (!remover.failed()) remover.remove_top(parent, name);
  if (remover.failed()) remover.raise(name);
  return true;
}

bool remove_tree(const std::string& directory) {
  const std::string path = tidy(directory);
  const unique_fd parent{::open(parent_of(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!parent && errno == ENOENT) return false;
  if (!parent) throw errno_error("open", parent_of(path));
  return remove_tree_at(parent.get(), std::string(base_name(path)));
}

}  // namespace sovirt::rootfs
