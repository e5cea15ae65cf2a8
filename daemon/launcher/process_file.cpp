#include "daemon/launcher/process_file.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include <cstdio>

namespace sovirt::launch {

std::string read_text(int fd) {
  std::string text;
  char block[4096];
  for (ssize_t n = 0; (n = ::pread(fd, block, sizeof block, static_cast<off_t>(text.size()))) > 0;)
    text.append(block, static_cast<std::size_t>(n));
  return text;
}

std::string read_text(const char* path) {
  const unique_fd file{::open(path, O_RDONLY | O_CLOEXEC)};
  return file ? read_text(file.get()) : std::string{};
}

std::optional<ProcessStat> process_stat(pid_t pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
  const std::string text = read_text(path);
  // The second field is the command in parentheses, and may hold any byte: fields count from the last ')'.
  const auto end = text.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  ProcessStat stat;
  stat.pid = pid;
  int parent = 0, session = 0;
  unsigned long long start = 0;
  const int found = std::sscanf(text.c_str() + end + 1,
                                " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                                &stat.state, &parent, &session, &start);
  if (found != 4) return std::nullopt;
  stat.parent = parent;
  stat.session = session;
  stat.start_ticks = start;
  return stat;
}

unique_fd open_process(pid_t pid, std::uint64_t start_ticks) {
  if (pid <= 0) return {};
  unique_fd handle{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  if (!handle) return {};
  // The handle was opened first, so it is of the process whose start time is read here, or of one already dead.
  const auto stat = process_stat(pid);
  if (!stat || stat->start_ticks != start_ticks || stat->state == 'Z' || stat->state == 'X') return {};
  return handle;
}

}  // namespace sovirt::launch
