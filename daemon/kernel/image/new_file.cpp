#include "daemon/kernel/image/new_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "daemon/base/error.hpp"

namespace sovirt::image {
namespace {

[[noreturn]] void fail(const std::string& path) {
  if (errno == EEXIST) throw Error{Code::exists, path + " exists already"}.with_fields({{"/path", "exists", "a file is there"}});
  if (errno == ENOSPC || errno == EDQUOT) throw errno_error("open", path);
  throw field_error("/path", "unwritable", "\"" + path + "\" cannot be made: " + ::strerrordesc_np(errno));
}

std::string folder_of(const std::string& path) { return std::filesystem::path(path).parent_path(); }

}  // namespace

NewFile::NewFile(std::string path) : path_(std::move(path)) {
  struct stat facts{};
  if (::lstat(path_.c_str(), &facts) == 0) {
    errno = EEXIST;
    fail(path_);
  }
  file_.reset(::open(folder_of(path_).c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
  if (file_) return;
  if (errno != EOPNOTSUPP && errno != EISDIR) fail(path_);
  file_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file_) fail(path_);
  named_ = true;
}

NewFile::~NewFile() {
  if (named_ && !whole_) ::unlink(path_.c_str());
}

void NewFile::publish() {
  if (::fsync(file_.get()) != 0) throw errno_error("fsync", path_);
  const std::string source = "/proc/self/fd/" + std::to_string(file_.get());
  if (!named_ && ::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) != 0) fail(path_);
  named_ = true;
  const unique_fd folder{::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder || ::fsync(folder.get()) != 0) throw errno_error("fsync", folder_of(path_));
  whole_ = true;
}

}  // namespace sovirt::image
