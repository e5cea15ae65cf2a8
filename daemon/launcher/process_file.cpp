#include "daemon/launcher/process_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

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

namespace {

// A mask of /proc/PID/status: "SigCgt:\t0000000000004000" is SIGTERM (bit 14).
bool in_mask(const std::string& status, const char* field, int signal) {
  const auto line = status.find(field);
  if (line == std::string::npos) return true;
  return (std::strtoull(status.c_str() + line + std::strlen(field), nullptr, 16) >> (signal - 1) & 1U) != 0;
}

// "NSpid:\t4711\t1": the last number is its pid in its own namespace, more than one number a namespace of its own.
bool is_namespace_init(const std::string& status) {
  const auto line = status.find("NSpid:");
  if (line == std::string::npos) return false;
  const std::string numbers = status.substr(line + 6, status.find('\n', line) - line - 6);
  const auto last = numbers.find_last_of(" \t");
  return last != 0 && numbers.substr(last + 1) == "1";
}

}  // namespace

bool takes_signal(pid_t pid, int signal) {
  if (signal == SIGKILL || signal == SIGSTOP) return true;
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/status", static_cast<int>(pid));
  const std::string status = read_text(path);
  return !is_namespace_init(status) || in_mask(status, "SigCgt:", signal) || in_mask(status, "SigBlk:", signal);
}

}  // namespace sovirt::launch
