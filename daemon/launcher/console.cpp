#include "daemon/launcher/console.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace sovirt::launch {
namespace {

std::uint64_t read_begin(int file) noexcept {
  char text[32] = {};
  return ::fgetxattr(file, log_begin_attribute, text, sizeof text - 1) > 0 ? std::strtoull(text, nullptr, 10) : 0;
}

}  // namespace

ConsoleLog::ConsoleLog(std::string path, std::uint64_t limit) : path_(std::move(path)), limit_(limit ? limit : 1) {
  if (!path_.empty()) open();
}

void ConsoleLog::open() noexcept {
  file_.reset(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat status{};
  if (!file_ || ::fstat(file_.get(), &status) < 0) return;
  size_ = static_cast<std::uint64_t>(status.st_size);
  begin_ = read_begin(file_.get());
}

void ConsoleLog::append(const char* bytes, std::size_t size) noexcept {
  while (file_ && size > 0) {
    if (size_ >= limit_) rotate();
    const std::size_t part = size < limit_ - size_ ? size : static_cast<std::size_t>(limit_ - size_);
    const ssize_t written = ::write(file_.get(), bytes, part);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    size_ += static_cast<std::uint64_t>(written);
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
}

// The new file gets its number before its name, so that a reader never sees one without the other.
void ConsoleLog::rotate() noexcept {
  const std::string fresh = path_ + ".new", old = path_ + ".1";
  unique_fd file{::open(fresh.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) {
    // No room for a file: what is kept begins anew in the one there is.
    if (::ftruncate(file_.get(), 0) == 0) size_ = 0;
    else file_.reset();
    return;
  }
  char text[32];
  const int length = std::snprintf(text, sizeof text, "%llu", static_cast<unsigned long long>(begin_ + size_));
  // Without support for it, offsets count from the oldest byte kept; nothing else depends on it.
  static_cast<void>(::fsetxattr(file.get(), log_begin_attribute, text, static_cast<std::size_t>(length), 0));
  if (::rename(path_.c_str(), old.c_str()) < 0 || ::rename(fresh.c_str(), path_.c_str()) < 0) {
    file_.reset();
    return;
  }
  begin_ += size_;
  size_ = 0;
  file_ = std::move(file);
}

void Console::take(unique_fd master) {
  master_ = std::move(master);
  ::fcntl(master_.get(), F_SETFL, O_NONBLOCK);
}

void Console::drain() noexcept {
  char block[4096];
  while (master_) {
    const ssize_t size = ::read(master_.get(), block, sizeof block);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;   // EAGAIN: no more now; EIO: nobody has the terminal open
    log_.append(block, static_cast<std::size_t>(size));
  }
}

}  // namespace sovirt::launch
