#pragma once
#include <array>
#include <cstdint>
#include <list>
#include <span>
#include <string>

#include "daemon/base/unique_fd.hpp"
#include "daemon/launcher/event_loop.hpp"
#include "daemon/launcher/protocol.hpp"

namespace sovirt::launch {

// The extended attribute of a log file that says which offset of the whole log its first byte has; absent: 0.
inline constexpr const char* log_begin_attribute = "trusted.sovirt.begin";

// Beside a log file: from which offset on it was written when. A record at most every interval, which doubles with every
// 4096 of them, so that a log that grows a byte a second has no more than a few of these files' worth.
struct LogTime { std::uint64_t offset; std::int64_t at_us; };
inline constexpr const char* log_times_suffix = ".times";
inline constexpr std::size_t most_log_times = 1 << 16;
inline std::int64_t log_time_interval_us(std::size_t place) noexcept { return std::int64_t{1'000'000} << (place / 4096); }

// A console's log: FILE and, once that has grown to `limit` bytes, FILE.1 with what was there before.
// What cannot be written (disk full) is lost: a container does not stop for its log.
class ConsoleLog {
 public:
  ConsoleLog(std::string path, std::uint64_t limit);
  std::size_t append(const char* bytes, std::size_t size) noexcept;   // how many were written
  std::uint64_t end() const noexcept { return begin_ + size_; }        // offset of the whole log

 private:
  void open() noexcept;
  void rotate() noexcept;
  void note_time() noexcept;

  std::string path_;
  std::uint64_t limit_, begin_ = 0, size_ = 0;
  unique_fd file_, times_;               // times_: opened by the first record
  std::size_t noted_ = 0;
  std::int64_t next_note_us_ = 0;
};

// A container's console: the master of its pty, its log, and those who watch. Nobody is waited for: a watcher that
// does not keep up is left out for a while and sees by the offsets what it has to look up in the log.
class Console {
 public:
  Console(EventLoop& loop, ConsoleLog log) : loop_(loop), log_(std::move(log)) {}
  void take(unique_fd master);
  void watch(unique_fd connection);      // one that has asked for it
  // Reads what there is, for a while. By edges of readiness, not its level: while no process inside has the terminal
  // open, the master is permanently "hung up".
  void drain() noexcept;
  void read_last() noexcept;             // all processes that could write are dead
  void tell_end(const Ended&) noexcept;

 private:
  struct Watcher {
    unique_fd connection;
    bool behind = false;
  };
  using Entry = std::list<Watcher>::iterator;

  std::size_t fill(std::span<std::byte>) noexcept;
  bool read_block() noexcept;            // false: there is no more now
  void tell(std::uint64_t offset, std::uint64_t logged, std::size_t size) noexcept;
  void on_watcher(Entry) noexcept;
  void drop(Entry) noexcept;

  EventLoop& loop_;
  ConsoleLog log_;
  unique_fd master_;
  std::list<Watcher> watchers_;
  // A message as it is sent: Output, then what was read.
  std::array<std::byte, most_packet_bytes - header_bytes> block_{};
};

}  // namespace sovirt::launch
