#include "daemon/kernel/cgroup/cgroup_files.hpp"

#include <dirent.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <thread>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

bool is_absence(int number) { return number == ENOENT || number == ENODEV; }

// nullopt: the group went away between open and read.
std::optional<std::string> read_whole(int fd, const char* name) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && is_absence(errno)) return std::nullopt;
    if (got < 0) throw errno_error("read", name);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace

std::optional<unique_fd> open_file_at(int directory, const char* name, int flags) {
  unique_fd fd{::openat(directory, name, flags | O_CLOEXEC)};
  if (fd) return fd;
  if (is_absence(errno)) return std::nullopt;
  throw errno_error("openat", name);
}

std::optional<unique_fd> open_directory_at(int directory, const char* path) {
  return open_file_at(directory, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

std::optional<std::string> read_text_at(int directory, const char* name) {
  const auto fd = open_file_at(directory, name, O_RDONLY);
  return fd ? read_whole(fd->get(), name) : std::nullopt;
}

std::optional<std::uint64_t> read_number_at(int directory, const char* name, std::string_view key) {
  const auto fd = open_file_at(directory, name, O_RDONLY);
  if (!fd) return std::nullopt;
  // One read: the files asked for are shorter than the buffer, or have the key in front.
  char buffer[1024];
  const ssize_t got = ::read(fd->get(), buffer, sizeof buffer);
  if (got < 0 && is_absence(errno)) return std::nullopt;
  if (got < 0) throw errno_error("read", name);
  std::string_view text{buffer, static_cast<std::size_t>(got)};
  if (!key.empty()) {
    // A key can begin as another does: oom_kill and oom_kill_disable.
    const auto is_line = [&](std::size_t at) {
      return (at == 0 || text[at - 1] == '\n') && at + key.size() < text.size() && text[at + key.size()] == ' ';
    };
    auto at = text.find(key);
    while (at != std::string_view::npos && !is_line(at)) at = text.find(key, at + 1);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + key.size() + 1);
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} ? std::optional{value} : std::nullopt;
}

int try_write_at(int directory, const char* name, std::string_view text) noexcept {
  const unique_fd fd{::openat(directory, name, O_WRONLY | O_CLOEXEC)};
  if (!fd) return errno;
  return ::write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

bool write_text_at(int directory, const char* name, std::string_view text) {
  const int number = try_write_at(directory, name, text);
  if (number == 0) return true;
  if (is_absence(number)) return false;
  throw errno_error(number, "write", std::string{name} + " = " + std::string{text});
}

std::vector<std::string> child_directories(int directory) {
  // cgroupfs counts links like an ordinary file system does: 2 and one for each child. Most groups are leaves, and
  // this spares reading the names of some forty control files.
  struct stat status {};
  if (::fstat(directory, &status) == 0 && status.st_nlink == 2) return {};
  auto readable = open_file_at(directory, ".", O_RDONLY | O_DIRECTORY);
  if (!readable) return {};
  const std::unique_ptr<DIR, int (*)(DIR*)> stream{::fdopendir(readable->get()), &::closedir};
  if (!stream) throw errno_error("fdopendir");
  readable->release();
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name{entry->d_name};
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

int Deadline::milliseconds_left() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

bool Deadline::sleep(std::chrono::microseconds length) const {
  if (passed()) return false;
  std::this_thread::sleep_until(std::min(end_, std::chrono::steady_clock::now() + length));
  return true;
}

bool wait_for_event(int group, std::string_view line, const Deadline& deadline) {
  const auto fd = open_file_at(group, "cgroup.events", O_RDONLY);
  if (!fd) return true;
  for (;;) {
    const auto text = read_whole(fd->get(), "cgroup.events");
    if (!text || text->find(line) != std::string::npos) return true;
    pollfd waiting{fd->get(), POLLPRI, 0};
    const int left = deadline.milliseconds_left();
    if (left == 0) return false;
    if (::poll(&waiting, 1, left) < 0 && errno != EINTR) throw errno_error("poll", "cgroup.events");
  }
}

}  // namespace sovirt
