#include "daemon/kernel/files/places.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::files {
namespace {

const char* type_of(mode_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "link";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    default: return "device";
  }
}

}  // namespace

Error file_error(int number, const char* call, const std::string& path) {
  const char* reason = ::strerrordesc_np(number);
  const std::string said = path + ": " + (reason ? reason : "unknown error");
  switch (number) {
    case ENOENT:
    case ENOTDIR: return Error{Code::not_found, said}.with_errno(number, call);
    case ENAMETOOLONG: return Error{Code::bad_query, said}.with_errno(number, call);
    case ELOOP:
      return Error{Code::conflict, said}.with_errno(number, call).with_hint(
          "links of /proc, which lead out of the container, are not followed");
    case EAGAIN: return Error{Code::conflict, path + " is not a file that ends: reading it would block"}.with_errno(number, call);
    case EACCES: case EBUSY: case EEXIST: case EINVAL: case EIO: case EISDIR: case ENODEV: case ENOTEMPTY: case ENXIO:
    case EOPNOTSUPP: case EPERM: case EROFS: case ESTALE: case ETXTBSY: case EXDEV:
      return Error{Code::conflict, said}.with_errno(number, call);
    default: return errno_error(number, call, path);
  }
}

FileFacts facts_of(const struct stat& status, std::string name) {
  FileFacts facts;
  facts.name = std::move(name);
  facts.type = type_of(status.st_mode);
  facts.mode = status.st_mode & 07777;
  facts.uid = status.st_uid;
  facts.gid = status.st_gid;
  facts.size = S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
  facts.modified = Time{std::chrono::seconds{status.st_mtim.tv_sec} + std::chrono::microseconds{status.st_mtim.tv_nsec / 1000}};
  return facts;
}

unique_fd find(int root, const std::string& path) {
  unique_fd found{rootfs::open_in_root(root, path, O_PATH)};
  if (!found) throw file_error(errno, "openat2", path);
  return found;
}

unique_fd find_directory(int root, const std::string& path) {
  unique_fd found{rootfs::open_in_root(root, path, O_PATH | O_DIRECTORY)};
  if (!found && errno == ENOTDIR) throw Error{Code::conflict, path + " is not a directory"}.with_errno(ENOTDIR, "openat2");
  if (!found) throw file_error(errno, "openat2", path);
  return found;
}

struct stat stat_of(int fd, const std::string& path) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) throw file_error(errno, "fstat", path);
  return status;
}

unique_fd open_file(int found, const struct stat& status, const std::string& path) {
  if (S_ISDIR(status.st_mode)) throw Error{Code::conflict, path + " is a directory"};
  if (!S_ISREG(status.st_mode))
    throw Error{Code::conflict, path + " is a " + type_of(status.st_mode)}.with_hint("only regular files and directories can be read");
  char own[32];
  std::snprintf(own, sizeof own, "/proc/self/fd/%d", found);
  unique_fd opened{::open(own, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
  if (!opened) throw file_error(errno, "open", path);
  return opened;
}

Place place_of(int root, const std::string& path, bool make_parents) {
  const std::string tidy = rootfs::tidy(path);
  if (tidy == "/") throw Error{Code::conflict, "/ is the root of the container"};
  if (make_parents) {
    try {
      return {rootfs::make_parents(root, tidy), std::string{rootfs::base_name(tidy)}};
    } catch (const Error& error) {
      if (error.code() == Code::internal) throw file_error(error.error_number(), "mkdirat", rootfs::parent_of(tidy));
      throw;
    }
  }
  const std::string above = rootfs::parent_of(tidy);
  unique_fd parent{rootfs::open_in_root(root, above, O_PATH | O_DIRECTORY)};
  if (!parent) throw file_error(errno, "openat2", above);
  return {std::move(parent), std::string{rootfs::base_name(tidy)}};
}

void refuse_mount_point(const Place& place, const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_BENEATH;
  const unique_fd found{static_cast<int>(::syscall(SYS_openat2, place.parent.get(), place.name.c_str(), &how, sizeof how))};
  if (!found && errno == EXDEV)
    throw Error{Code::conflict, path + " has something mounted on it"}.with_errno(EXDEV, "openat2").with_hint("take the mount away first");
}

}  // namespace sovirt::files
