#include "daemon/kernel/mount/root_path.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "daemon/base/error.hpp"

namespace sovirt::rootfs {
namespace {

std::array<char, 32> fd_link(int fd) noexcept {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "/proc/self/fd/%d", fd);
  return name;
}

std::string link_text(int fd) {
  std::array<char, PATH_MAX> text{};
  const ssize_t length = ::readlink(fd_link(fd).data(), text.data(), text.size());
  return length > 0 ? std::string(text.data(), static_cast<std::size_t>(length)) : std::string{};
}

}  // namespace

int open_in_root(int root, const std::string& path, std::uint64_t flags, std::uint64_t mode,
                 std::uint64_t resolve) noexcept {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve;
  // A rename elsewhere on the system while `..` is walked makes the kernel give up with EAGAIN, harmlessly.
  for (int attempt = 0; attempt < 128; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, path.empty() ? "/" : path.c_str(), &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return static_cast<int>(fd);
  }
  return -1;
}

unique_fd reopen_for_reading(int path_fd) noexcept {
  return unique_fd{::open(fd_link(path_fd).data(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
}

unique_fd open_regular(int root, const std::string& path) noexcept {
  const unique_fd found{open_in_root(root, path, O_PATH)};
  if (!found) return {};
  struct stat facts{};
  if (::fstat(found.get(), &facts) != 0) return {};
  if (!S_ISREG(facts.st_mode)) {
    errno = S_ISDIR(facts.st_mode) ? EISDIR : EINVAL;
    return {};
  }
  return reopen_for_reading(found.get());
}

std::string real_path(int root, int fd) {
  // In a detached mount the kernel shows paths from the mount's own root, so that both begin with "/".
  const std::string top = link_text(root);
  std::string path = link_text(fd);
  if (top == "/" || top.empty()) return path.starts_with('/') ? path : std::string{};
  if (path == top) return "/";
  if (!path.starts_with(top) || path[top.size()] != '/') return {};
  return path.substr(top.size());
}

std::string tidy(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") out.append("/").append(part);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  }
  return out.empty() ? "/" : out;
}

std::string_view base_name(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos || slash == 0 ? "/" : std::string(path.substr(0, slash));
}

unique_fd make_parents(int root, std::string_view path) {
  const std::string parent = parent_of(tidy(path));
  unique_fd whole{open_in_root(root, parent, O_PATH | O_DIRECTORY)};
  if (whole) return whole;
  if (errno != ENOENT) throw errno_error("openat2", parent);
  unique_fd above{open_in_root(root, "/", O_PATH | O_DIRECTORY)};
  if (!above) throw errno_error("openat2", "/");
  for (std::size_t end = parent.find('/', 1);; end = parent.find('/', end + 1)) {
    const std::string so_far = parent.substr(0, end);
    unique_fd next{open_in_root(root, so_far, O_PATH | O_DIRECTORY)};
    if (!next && errno == ENOENT) {
      const std::string name{base_name(so_far)};
      if (::mkdirat(above.get(), name.c_str(), 0755) != 0) throw errno_error("mkdirat", so_far);
      next.reset(open_in_root(root, so_far, O_PATH | O_DIRECTORY));
    }
    if (!next) throw errno_error("openat2", so_far);
    above = std::move(next);
    if (end == std::string::npos) return above;
  }
}

bool read_file(int fd, std::size_t most, std::string& out) {
  out.clear();
  std::array<char, 16384> block;
  while (out.size() <= most) {
    const ssize_t count = ::pread(fd, block.data(), block.size(), static_cast<off_t>(out.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) return true;
    out.append(block.data(), static_cast<std::size_t>(count));
  }
  return false;
}

}  // namespace sovirt::rootfs
