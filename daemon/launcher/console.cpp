#include "daemon/launcher/console.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

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

std::size_t ConsoleLog::append(const char* bytes, std::size_t size) noexcept {
  const std::size_t given = size;
  if (file_ && size > 0) note_time();
  while (file_ && size > 0) {
    if (size_ >= limit_) rotate();
    const std::size_t part = size < limit_ - size_ ? size : static_cast<std::size_t>(limit_ - size_);
    const ssize_t written = ::write(file_.get(), bytes, part);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    size_ += static_cast<std::uint64_t>(written);
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return given - size;
}

void ConsoleLog::note_time() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
  const std::int64_t now = std::int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1000;
  // A clock that was set back counts too.
  if (now < next_note_us_ && next_note_us_ - now <= log_time_interval_us(noted_)) return;
  if (!times_) {
    times_.reset(::open((path_ + log_times_suffix).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    struct stat status{};
    if (times_ && ::fstat(times_.get(), &status) == 0) noted_ = static_cast<std::size_t>(status.st_size) / sizeof(LogTime);
  }
  const LogTime record{end(), now};
  next_note_us_ = now + log_time_interval_us(noted_);
  if (times_ && noted_ < most_log_times && ::write(times_.get(), &record, sizeof record) == sizeof record) ++noted_;
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
  // Without: what is known of the older part is taken for the newer, and offsets still say which is which.
  static_cast<void>(::rename((path_ + log_times_suffix).c_str(), (old + log_times_suffix).c_str()));
  times_.reset();
  noted_ = 0;
  next_note_us_ = 0;
  note_time();
}

void Console::take(unique_fd master) {
  master_ = std::move(master);
  ::fcntl(master_.get(), F_SETFL, O_NONBLOCK);
  loop_.add(master_.get(), [this] { drain(); }, EventLoop::Trigger::edge);
  drain();
}

void Console::watch(unique_fd connection) {
  if (!master_) {
    send_message(connection.get(), Type::failed, make_failure(ENOTTY, "console", ""));
    return;
  }
  ::fcntl(connection.get(), F_SETFL, O_NONBLOCK);
  const int terminal[] = {master_.get()};
  if (!send_message(connection.get(), Type::watching, Watching{log_.end()}, terminal)) return;
  const Entry one = watchers_.insert(watchers_.end(), Watcher{std::move(connection), false});
  loop_.add(one->connection.get(), [this, one] { on_watcher(one); });
}

void Console::drain() noexcept {
  // What writes without end must not keep us from everything else.
  constexpr int blocks_in_a_row = 16;
  for (int i = 0; i < blocks_in_a_row; ++i)
    if (!read_block()) return;
  loop_.look_again(master_.get());
}

// A terminal gives at most 4 KiB at a time, and while it does more comes in: to ask again at once makes one message, and
// one write to the log, of many. Three times as much gets through.
std::size_t Console::fill(std::span<std::byte> room) noexcept {
  constexpr std::size_t worth_asking = 4096;
  std::size_t filled = 0;
  while (master_ && room.size() - filled >= worth_asking) {
    const ssize_t size = ::read(master_.get(), room.data() + filled, room.size() - filled);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;   // EAGAIN: no more now; EIO: nobody has the terminal open
    filled += static_cast<std::size_t>(size);
  }
  return filled;
}

bool Console::read_block() noexcept {
  const std::span room = std::span{block_}.subspan(sizeof(Output));
  const std::size_t count = fill(room);
  if (count == 0) return false;
  const std::uint64_t offset = log_.end();
  tell(offset, log_.append(reinterpret_cast<const char*>(room.data()), count), count);
  return true;
}

void Console::tell(std::uint64_t offset, std::uint64_t logged, std::size_t size) noexcept {
  const Output output{offset, logged};
  std::memcpy(block_.data(), &output, sizeof output);
  const std::span<const std::byte> message{block_.data(), sizeof output + size};
  for (Watcher& watcher : watchers_) {
    if (watcher.behind || send_message(watcher.connection.get(), Type::output, message)) continue;
    watcher.behind = true;   // or gone, which is noticed by its event
    loop_.await_room(watcher.connection.get(), true);
  }
}

void Console::on_watcher(Entry one) noexcept {
  const int fd = one->connection.get();
  char byte = 0;
  const ssize_t size = ::recv(fd, &byte, 1, MSG_DONTWAIT);
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return drop(one);
  if (!one->behind) return;
  // Nothing but where we are: it must not miss that it has missed something, even if nothing follows.
  if (!send_message(fd, Type::output, Output{log_.end(), 0})) return;
  one->behind = false;
  loop_.await_room(fd, false);
}

void Console::drop(Entry one) noexcept {
  loop_.remove(one->connection.get());
  watchers_.erase(one);
}

void Console::read_last() noexcept {
  for (int i = 0; i < 4096 && read_block(); ++i) continue;
}

void Console::tell_end(const Ended& ended) noexcept {
  for (const Watcher& watcher : watchers_) {
    const int fd = watcher.connection.get();
    pollfd room{fd, POLLOUT, 0};
    if (::poll(&room, 1, 200) != 1) continue;
    send_message(fd, Type::output, Output{log_.end(), 0});
    send_message(fd, Type::exited, ended);
  }
}

}  // namespace sovirt::launch
