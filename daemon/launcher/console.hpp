#pragma once
#include <cstdint>
#include <string>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::launch {

// The extended attribute of a log file that says which offset of the whole log its first byte has; absent: 0.
inline constexpr const char* log_begin_attribute = "trusted.sovirt.begin";

// A console's log: FILE and, once that has grown to `limit` bytes, FILE.1 with what was there before.
// What cannot be written (disk full) is lost: a container does not stop for its log.
class ConsoleLog {
 public:
  ConsoleLog(std::string path, std::uint64_t limit);
  void append(const char* bytes, std::size_t size) noexcept;

 private:
  void open() noexcept;
  void rotate() noexcept;

  std::string path_;
  std::uint64_t limit_, begin_ = 0, size_ = 0;
  unique_fd file_;
};

class Console {
 public:
  explicit Console(ConsoleLog log) : log_(std::move(log)) {}
  void take(unique_fd master);
  int fd() const noexcept { return master_.get(); }
  // Reads all there is. Must be called on each edge of readiness, not on its level: while no process inside has the
  // terminal open, the master is permanently "hung up".
  void drain() noexcept;

 private:
  ConsoleLog log_;
  unique_fd master_;
};

}  // namespace sovirt::launch
