#pragma once
#include <fcntl.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {

// Files of a cgroup, which is a directory descriptor: two groups of one name, one after the other, are not the same.
// Absence (ENOENT, and ENODEV of a group removed meanwhile) is an empty optional or false; the rest throws Error.
std::optional<unique_fd> open_directory_at(int directory, const char* path);  // O_PATH
std::optional<unique_fd> open_file_at(int directory, const char* name, int flags);
std::optional<std::string> read_text_at(int directory, const char* name);
// The first number of the file, or after `key` in a file of "key value" lines. "max" and -1 are nullopt.
std::optional<std::uint64_t> read_number_at(int directory, const char* name, std::string_view key = {});
bool write_text_at(int directory, const char* name, std::string_view text);
// As write_text_at, but gives errno (0: written) for callers that expect some refusals.
int try_write_at(int directory, const char* name, std::string_view text) noexcept;
std::vector<std::string> child_directories(int directory);

// The time until which something is waited for.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds length) : end_(std::chrono::steady_clock::now() + length) {}
  bool passed() const { return std::chrono::steady_clock::now() >= end_; }
  int milliseconds_left() const;               // for poll(2); at least 0, rounded up
  bool sleep(std::chrono::microseconds) const; // at most until the end; false: it has passed

 private:
  std::chrono::steady_clock::time_point end_;
};

// Waits until cgroup.events of a v2 group has the line, e.g. "populated 0". The kernel wakes poll(2) on each change of
// that file, so there is no interval. True at once where the group is gone. False: the time is over.
bool wait_for_event(int group, std::string_view line, const Deadline&);

}  // namespace sovirt
