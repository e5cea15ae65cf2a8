#include "daemon/kernel/mount/tree_copy.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::rootfs {
namespace {

constexpr std::size_t copy_step = 8u << 20;   // between two looks for a stop

// A tree of ours, but written by a container: its links are data, never the way.
int open_below(int top, const std::string& path, std::uint64_t flags) noexcept {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(::syscall(SYS_openat2, top, path.empty() ? "." : path.c_str(), &how, sizeof how));
}

unique_fd open_parent(int top, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  unique_fd parent{open_below(top, slash == std::string::npos ? "" : path.substr(0, slash), O_PATH | O_DIRECTORY)};
  if (!parent) throw errno_error("openat2", path);
  return parent;
}

std::string last(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return path.empty() ? "." : slash == std::string::npos ? path : path.substr(slash + 1);
}

struct stat facts_of(int parent, const std::string& path) {
  struct stat facts{};
  if (::fstatat(parent, last(path).c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("fstatat", path);
  return facts;
}

std::vector<std::string> names_in(int top, const std::string& path) {
  unique_fd directory{open_below(top, path, O_RDONLY | O_DIRECTORY)};
  const std::unique_ptr<DIR, int (*)(DIR*)> open{directory ? ::fdopendir(directory.get()) : nullptr, [](DIR* one) { return one ? ::closedir(one) : 0; }};
  if (!open) throw errno_error("fdopendir", path);
  directory.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(open.get()))
    if (const std::string_view name = entry->d_name; name != "." && name != "..") names.emplace_back(name);
  if (errno != 0) throw errno_error("readdir", path);
  return names;
}

// For file systems between which the kernel copies nothing itself: from an overlay onto the disk, for one.
ssize_t read_and_write(int from, int to, off_t& in, off_t& out, std::size_t most) {
  std::vector<char> block(std::min<std::size_t>(most, 1 << 20));
  const ssize_t got = ::pread(from, block.data(), block.size(), in);
  for (ssize_t done = 0; done < got;) {
    const ssize_t wrote = ::pwrite(to, block.data() + done, static_cast<std::size_t>(got - done), out);
    if (wrote < 0 && errno != EINTR) return -1;
    if (wrote < 0) continue;
    done += wrote;
    out += wrote;
  }
  if (got > 0) in += got;
  return got;
}

// l*xattr(2) of a name in a directory that is held by a descriptor.
std::string by_descriptor(int parent, const std::string& path) {
  return "/proc/self/fd/" + std::to_string(parent) + "/" + last(path);
}

}  // namespace

void copy_attributes(int from, const std::string& from_path, int to, const std::string& to_path,
                     const std::function<bool(std::string_view)>& keep) {
  const std::string source = by_descriptor(from, from_path), target = by_descriptor(to, to_path);
  static thread_local std::vector<char> names(XATTR_LIST_MAX), value(XATTR_SIZE_MAX);
  const ssize_t length = ::llistxattr(source.c_str(), names.data(), names.size());
  if (length < 0 && errno != ENOTSUP) throw errno_error("llistxattr", from_path);
  for (ssize_t at = 0; at < length;) {
    const char* name = names.data() + at;
    at += static_cast<ssize_t>(std::strlen(name)) + 1;
    if (keep && !keep(name)) continue;
    const ssize_t size = ::lgetxattr(source.c_str(), name, value.data(), value.size());
    if (size < 0 && errno == ENODATA) continue;
    if (size < 0) throw errno_error("lgetxattr", from_path);
    // The host's security module gives labels of its own, and may refuse ours.
    if (::lsetxattr(target.c_str(), name, value.data(), static_cast<std::size_t>(size), 0) != 0 && std::string_view{name} != "security.selinux")
      throw errno_error("lsetxattr", to_path);
  }
}

TreeCopy::TreeCopy(int from, int to, Content content, std::stop_token stop, const std::function<void(std::uint64_t)>* progress)
    : from_(from), to_(to), content_(content), stop_(std::move(stop)), progress_(progress) {}

void TreeCopy::check() const {
  if (stop_.stop_requested()) throw Error{Code::cancelled, "cancelled"};
}

void TreeCopy::children(const std::string& top) {
  std::vector<std::string> pending{top};
  while (!pending.empty()) {
    const std::string at = std::move(pending.back());
    pending.pop_back();
    for (const std::string& name : names_in(from_, at)) {
      const std::string path = at.empty() ? name : at + "/" + name;
      if (path.size() >= PATH_MAX) throw Error{Code::invalid, "a path of the container is longer than a path can be: " + path.substr(0, 80)};
      struct stat facts{};
      if (::fstatat(open_parent(from_, path).get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;   // the daemon itself takes files out of a frozen container when it is asked to
        throw errno_error("fstatat", path);
      }
      check();
      if (S_ISDIR(facts.st_mode)) {
        directory(path);
        pending.push_back(path);
      } else {
        file(path, facts);
      }
    }
  }
}

void TreeCopy::entry(const std::string& path) {
  const struct stat facts = facts_of(open_parent(from_, path).get(), path);
  if (!S_ISDIR(facts.st_mode)) return file(path, facts);
  directory(path);
  children(path);
}

void TreeCopy::directory(const std::string& path) {
  const unique_fd parent = open_parent(from_, path), target = open_parent(to_, path);
  const struct stat facts = facts_of(parent.get(), path);
  if (!path.empty() && ::mkdirat(target.get(), last(path).c_str(), 0700) != 0 && errno != EEXIST) throw errno_error("mkdirat", path);
  attributes(path, facts);
  times_[path] = {facts.st_atim, facts.st_mtim};
}

void TreeCopy::file(const std::string& path, const struct stat& facts) {
  if (linked(path, facts)) return;
  if (content_ == Content::linked) {
    const unique_fd parent = open_parent(from_, path), target = open_parent(to_, path);
    if (::linkat(parent.get(), last(path).c_str(), target.get(), last(path).c_str(), 0) == 0) return;
    if (errno != EMLINK) throw errno_error("linkat", path);   // it has as many names as a file can have: copied then
  }
  if (S_ISREG(facts.st_mode)) {
    const unique_fd from{open_below(from_, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)};
    if (!from) throw errno_error("openat2", path);
    const unique_fd target = open_parent(to_, path);
    const unique_fd to{::openat(target.get(), last(path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (!to) throw errno_error("openat", path);
    bytes(from.get(), to.get(), facts, path);
  } else if (S_ISLNK(facts.st_mode)) {
    link(path, facts);
  } else {
    node(path, facts);
  }
  attributes(path, facts);
  const timespec times[2] = {facts.st_atim, facts.st_mtim};
  if (::utimensat(open_parent(to_, path).get(), last(path).c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("utimensat", path);
}

// A file with several names is copied once; true: this is another name of one that is there.
bool TreeCopy::linked(const std::string& path, const struct stat& facts) {
  if (facts.st_nlink < 2 || content_ == Content::linked) return false;
  const auto [known, fresh] = links_.try_emplace({facts.st_dev, facts.st_ino}, path);
  if (fresh) return false;
  const unique_fd from = open_parent(to_, known->second), to = open_parent(to_, path);
  if (::linkat(from.get(), last(known->second).c_str(), to.get(), last(path).c_str(), 0) != 0) throw errno_error("linkat", path);
  return true;
}

void TreeCopy::link(const std::string& path, const struct stat&) {
  std::array<char, PATH_MAX> text{};
  const ssize_t length = ::readlinkat(open_parent(from_, path).get(), last(path).c_str(), text.data(), text.size() - 1);
  if (length < 0) throw errno_error("readlinkat", path);
  if (::symlinkat(text.data(), open_parent(to_, path).get(), last(path).c_str()) != 0) throw errno_error("symlinkat", path);
}

void TreeCopy::node(const std::string& path, const struct stat& facts) {
  if (::mknodat(open_parent(to_, path).get(), last(path).c_str(), (facts.st_mode & S_IFMT) | 0600, facts.st_rdev) != 0)
    throw errno_error("mknodat", path);
}

void TreeCopy::bytes(int from, int to, const struct stat& facts, const std::string& path) {
  if (::ioctl(to, FICLONE, from) == 0) return;   // the blocks are shared until somebody writes
  for (off_t at = 0; at < facts.st_size;) {
    const off_t data = ::lseek(from, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;       // a hole up to the end
    if (data < 0) throw errno_error("lseek", path);
    const off_t end = ::lseek(from, data, SEEK_HOLE);
    if (end < 0) throw errno_error("lseek", path);
    off_t in = data, out = data;
    while (in < end) {
      check();
      const std::size_t step = std::min<std::size_t>(copy_step, static_cast<std::size_t>(end - in));
      ssize_t count = ::copy_file_range(from, &in, to, &out, step, 0);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL)) count = read_and_write(from, to, in, out, step);
      if (count < 0) throw errno_error("copy_file_range", path);
      if (count == 0) break;
      copied_ += static_cast<std::uint64_t>(count);
      if (progress_ && *progress_) (*progress_)(copied_);
    }
    if (in < end) break;
    at = end;
  }
  if (::ftruncate(to, facts.st_size) != 0) throw errno_error("ftruncate", path);
}

// The mode last: a change of owner takes setuid bits away, and attributes need a writable entry.
void TreeCopy::attributes(const std::string& path, const struct stat& facts) {
  const unique_fd from = open_parent(from_, path), to = open_parent(to_, path);
  const std::string name = last(path);
  if (::fchownat(to.get(), name.c_str(), facts.st_uid, facts.st_gid, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("fchownat", path);
  if (!S_ISLNK(facts.st_mode) && ::fchmodat(to.get(), name.c_str(), facts.st_mode & 07777, 0) != 0) throw errno_error("fchmodat", path);
  copy_attributes(from.get(), path, to.get(), path);
}

void TreeCopy::finish() {
  for (const auto& [path, times] : times_) {
    const timespec both[2] = {times.first, times.second};
    if (::utimensat(open_parent(to_, path).get(), last(path).c_str(), both, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("utimensat", path);
  }
}

}  // namespace sovirt::rootfs
