#include "daemon/kernel/files/regular_file.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "daemon/base/failpoint.hpp"
#include "daemon/kernel/files/places.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::files {
namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(unique_fd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  std::string read(std::size_t most) override {
    std::string block(most, '\0');
    ssize_t count = 0;
    do count = ::read(file_.get(), block.data(), block.size());
    while (count < 0 && errno == EINTR);
    if (count < 0) throw file_error(errno, "read", path_);
    block.resize(static_cast<std::size_t>(count));
    return block;
  }

 private:
  unique_fd file_;
  std::string path_;
};

std::string hidden_name() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) throw errno_error("getrandom");
  char name[32];
  std::snprintf(name, sizeof name, ".sovirt-%016llx", static_cast<unsigned long long>(number));
  return name;
}

// What is to be replaced: behind a link it is the file that the link leads to, so that the link stays.
Place replaced_place(int root, const std::string& path, bool make_parents) {
  Place place = place_of(root, path, make_parents);
  struct stat there{};
  if (::fstatat(place.parent.get(), place.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISLNK(there.st_mode)) return place;
  const unique_fd found{rootfs::open_in_root(root, path, O_PATH)};
  if (!found && errno != ENOENT) throw file_error(errno, "openat2", path);
  const std::string real = found ? rootfs::real_path(root, found.get()) : std::string{};
  // A link that leads nowhere is itself replaced.
  return real.empty() || real == "/" ? std::move(place) : place_of(root, real, false);
}

class FileTarget final : public ByteTarget {
 public:
  FileTarget(Place place, std::string path, const FileAttributes& wanted) : place_(std::move(place)), path_(std::move(path)) {
    refuse_mount_point(place_, path_);
    decide(wanted);
    file_.reset(::openat(place_.parent.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
    if (file_) return;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT) throw file_error(errno, "openat", path_);
    hidden_ = hidden_name();   // a file system without nameless files
    file_.reset(::openat(place_.parent.get(), hidden_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (file_) return;
    hidden_.clear();
    throw file_error(errno, "openat", path_);
  }
  ~FileTarget() override {
    if (!hidden_.empty()) ::unlinkat(place_.parent.get(), hidden_.c_str(), 0);
  }
  FileTarget(const FileTarget&) = delete;
  FileTarget& operator=(const FileTarget&) = delete;

  void write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw file_error(errno, "write", path_);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  void finish() override {
    if (::fchown(file_.get(), uid_, gid_) != 0) throw file_error(errno, "fchown", path_);
    if (::fchmod(file_.get(), mode_) != 0) throw file_error(errno, "fchmod", path_);  // after fchown, which drops set-id bits
    failpoint::reach("files:written");
    refuse_mount_point(place_, path_);
    if (hidden_.empty() && !link_as(place_.name)) {
      std::string name;
      do name = hidden_name();
      while (!link_as(name));
      hidden_ = std::move(name);
    }
    if (hidden_.empty()) return;
    if (::renameat(place_.parent.get(), hidden_.c_str(), place_.parent.get(), place_.name.c_str()) != 0)
      throw file_error(errno, "renameat", path_);
    hidden_.clear();
  }

 private:
  void decide(const FileAttributes& wanted) {
    struct stat there{};
    const bool exists = ::fstatat(place_.parent.get(), place_.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
    if (!exists && errno != ENOENT) throw file_error(errno, "fstatat", path_);
    if (exists && S_ISDIR(there.st_mode))
      throw Error{Code::conflict, path_ + " is a directory"}.with_hint("name the file in it, or send application/x-tar to unpack into it");
    if (exists && !S_ISREG(there.st_mode) && !S_ISLNK(there.st_mode))
      throw Error{Code::conflict, path_ + " is a FIFO, socket or device"}.with_hint("only regular files are replaced");
    const bool keeps = exists && S_ISREG(there.st_mode);
    mode_ = wanted.mode.value_or(keeps ? there.st_mode & 07777 : 0644);
    uid_ = wanted.uid.value_or(keeps ? there.st_uid : 0);
    gid_ = wanted.gid.value_or(keeps ? there.st_gid : 0);
  }

  // False: there is something of that name.
  bool link_as(const std::string& name) {
    char own[32];
    std::snprintf(own, sizeof own, "/proc/self/fd/%d", file_.get());
    if (::linkat(AT_FDCWD, own, place_.parent.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
    if (errno == EEXIST) return false;
    throw file_error(errno, "linkat", path_);
  }

  Place place_;
  std::string path_, hidden_;   // hidden_: its name until it is finished, "" where it needs none
  unique_fd file_;
  mode_t mode_ = 0644;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> read_file(unique_fd file, std::string path) {
  return std::make_unique<FileSource>(std::move(file), std::move(path));
}

std::unique_ptr<ByteTarget> write_file(int root, const std::string& path, const FileAttributes& wanted) {
  return std::make_unique<FileTarget>(replaced_place(root, path, wanted.make_parents), path, wanted);
}

}  // namespace sovirt::files
