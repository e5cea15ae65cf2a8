#include "daemon/kernel/process/console_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/launcher/console.hpp"

namespace sovirt::process {
namespace {

struct Part {
  unique_fd file;
  std::uint64_t begin = 0, end = 0;   // offsets of the whole log
};

Part open_part(const std::string& path) {
  Part part{unique_fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)}};
  struct stat status{};
  if (!part.file || ::fstat(part.file.get(), &status) < 0) return {};
  char text[32] = {};
  if (::fgetxattr(part.file.get(), launch::log_begin_attribute, text, sizeof text - 1) > 0)
    part.begin = std::strtoull(text, nullptr, 10);
  part.end = part.begin + static_cast<std::uint64_t>(status.st_size);
  return part;
}

void read_part(const Part& part, std::uint64_t since, std::size_t most, Launcher::Log& log) {
  while (part.file && since < part.end && log.bytes.size() < most) {
    char block[16384];
    const std::size_t wanted = std::min({sizeof block, most - log.bytes.size(), static_cast<std::size_t>(part.end - since)});
    const ssize_t size = ::pread(part.file.get(), block, wanted, static_cast<off_t>(since - part.begin));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw errno_error("pread", "console log");
    if (size == 0) return;
    log.bytes.append(block, static_cast<std::size_t>(size));
    since += static_cast<std::uint64_t>(size);
  }
}

std::vector<launch::LogTime> read_times(const std::string& path) {
  std::vector<launch::LogTime> times;
  const unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) < 0) return times;
  times.resize(std::min<std::size_t>(static_cast<std::size_t>(status.st_size) / sizeof(launch::LogTime), launch::most_log_times));
  const ssize_t size = ::pread(file.get(), times.data(), times.size() * sizeof(launch::LogTime), 0);
  times.resize(size > 0 ? static_cast<std::size_t>(size) / sizeof(launch::LogTime) : 0);
  return times;
}

}  // namespace

// What a record stands for was written within its interval: asked for a later time, what follows it is meant.
std::uint64_t find_log_offset(const std::string& path, Time since) {
  const std::int64_t wanted = since.time_since_epoch().count();
  std::uint64_t offset = 0;
  bool over = false;   // all of the record before this one is older
  for (const std::string& part : {path + ".1", path}) {
    const auto times = read_times(part + launch::log_times_suffix);
    for (std::size_t i = 0; i < times.size(); ++i) {
      if (over) offset = times[i].offset;
      if (times[i].at_us > wanted) return offset;
      offset = times[i].offset;
      over = wanted >= times[i].at_us + launch::log_time_interval_us(i);
    }
  }
  return over ? std::max(open_part(path).end, offset) : offset;
}

Launcher::Log read_console_log(const std::string& path, std::uint64_t since, std::size_t most) {
  // The older one is opened last: rotated in between, it is what was opened as the newer one, and is left out.
  const Part newer = open_part(path);
  Part older = open_part(path + ".1");
  if (older.file && older.begin >= newer.begin && newer.file) older = {};
  Launcher::Log log;
  const std::uint64_t oldest = older.file ? older.begin : newer.begin;
  std::uint64_t from = std::max(since, oldest);
  from = std::min(from, std::max(newer.end, older.end));
  log.end = from;
  if (older.file && from < older.end) read_part(older, from, most, log);
  if (from + log.bytes.size() >= newer.begin) read_part(newer, from + log.bytes.size(), most, log);
  log.end += log.bytes.size();
  return log;
}

}  // namespace sovirt::process
