#include "daemon/kernel/cgroup/oom_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace sovirt {
namespace {

std::optional<pid_t> pid_in(std::string_view text) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  return error == std::errc{} && pid > 0 ? std::optional{pid} : std::nullopt;
}

// A name may hold anything, so what follows it is looked for from the end.
std::optional<OomRecord> parse_summary(std::string_view line) {
  constexpr std::string_view group_key = ",task_memcg=", name_key = ",task=", pid_key = ",pid=";
  const auto group = line.find(group_key), name = line.find(name_key, group == std::string_view::npos ? 0 : group);
  const auto pid = line.rfind(pid_key);
  if (group == std::string_view::npos || name == std::string_view::npos || pid == std::string_view::npos || pid < name) return std::nullopt;
  const auto number = pid_in(line.substr(pid + pid_key.size()));
  if (!number) return std::nullopt;
  const auto group_begin = group + group_key.size(), name_begin = name + name_key.size();
  return OomRecord{{*number, std::string{line.substr(name_begin, pid - name_begin)}}, std::string{line.substr(group_begin, name - group_begin)}};
}

std::optional<OomRecord> parse_killed(std::string_view line) {
  constexpr std::string_view key = "Killed process ";
  const auto at = line.find(key);
  const auto open = line.find(" (", at == std::string_view::npos ? line.size() : at), close = line.rfind(") total-vm:");
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  const auto number = pid_in(line.substr(at + key.size()));
  return number ? std::optional{OomRecord{{*number, std::string{line.substr(open + 2, close - open - 2)}}, ""}} : std::nullopt;
}

}  // namespace

std::optional<OomRecord> parse_oom_line(std::string_view line) {
  if (line.find("oom-kill:") != std::string_view::npos) return parse_summary(line);
  return line.find("Memory cgroup out of memory") != std::string_view::npos ? parse_killed(line) : std::nullopt;
}

OomLog::OomLog() : log_(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  if (log_) ::lseek(log_.get(), 0, SEEK_END);
}

std::vector<OomRecord> OomLog::read() {
  std::vector<OomRecord> found;
  char record[8192];   // one a read; longer ones are no OOM lines, and EINVAL
  for (int most = 100'000; log_ && most > 0; --most) {
    const ssize_t got = ::read(log_.get(), record, sizeof record);
    if (got < 0 && (errno == EPIPE || errno == EINTR || errno == EINVAL)) continue;   // EPIPE: overwritten before we came
    if (got <= 0) break;
    std::string_view text{record, static_cast<std::size_t>(got)};
    text.remove_prefix(std::min(text.size(), text.find(';') + 1));   // "6,339,5140900,-;"
    auto one = parse_oom_line(text.substr(0, text.find('\n')));
    if (!one) continue;
    const auto known = std::find_if(found.begin(), found.end(), [&](const OomRecord& other) { return other.victim.pid == one->victim.pid; });
    if (known == found.end()) found.push_back(std::move(*one));
    else if (known->group.empty()) *known = std::move(*one);
  }
  return found;
}

}  // namespace sovirt
