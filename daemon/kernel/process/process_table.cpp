#include "daemon/kernel/process/process_table.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "daemon/launcher/process_file.hpp"

namespace sovirt::process {
namespace {

std::string read_proc(pid_t pid, const char* file) { return launch::read_text(("/proc/" + std::to_string(pid) + "/" + file).c_str()); }

// The line "Name:\t…" of /proc/PID/status, without its name.
std::string_view line_of(std::string_view status, std::string_view name) {
  const auto at = status.find(name);
  if (at == std::string_view::npos) return {};
  const auto begin = at + name.size();
  return status.substr(begin, status.find('\n', begin) - begin);
}

// Fields 14 and 15 of stat, in ticks. They count from the last ')' of the command, which may hold anything.
std::uint64_t cpu_of(const std::string& stat) {
  const auto end = stat.rfind(')');
  unsigned long long user = 0, system = 0;
  if (end == std::string::npos || std::sscanf(stat.c_str() + end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2) return 0;
  const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return (user + system) * (1'000'000'000 / ticks);
}

std::vector<std::string> command_of(const std::string& cmdline) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < cmdline.size();) {
    const auto end = std::min(cmdline.find('\0', at), cmdline.size());
    words.push_back(cmdline.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::optional<ContainerProcess> describe(pid_t pid) {
  const auto stat = launch::process_stat(pid);
  if (!stat) return std::nullopt;
  const std::string text = read_proc(pid, "stat"), status = read_proc(pid, "status");
  ContainerProcess facts;
  facts.id = {pid, stat->start_ticks};
  facts.parent = stat->parent;
  facts.state = stat->state;
  facts.name = line_of(status, "Name:\t");
  facts.command = command_of(read_proc(pid, "cmdline"));
  facts.cpu_ns = cpu_of(text);
  facts.memory_bytes = std::strtoull(std::string{line_of(status, "VmRSS:")}.c_str(), nullptr, 10) * 1024;
  unsigned effective = 0;
  if (std::sscanf(std::string{line_of(status, "Uid:")}.c_str(), "%*u %u", &effective) == 1) facts.uid = effective;
  // "NSpid:\t4711\t1": the last one is its own.
  const std::string_view numbers = line_of(status, "\nNSpid:\t");
  if (const auto last = numbers.rfind('\t'); last != std::string_view::npos)
    facts.inside = static_cast<pid_t>(std::atoi(std::string{numbers.substr(last + 1)}.c_str()));
  return facts;
}

}  // namespace

std::vector<ContainerProcess> describe_processes(const std::vector<pid_t>& pids) {
  std::vector<ContainerProcess> all;
  for (const pid_t pid : pids)
    if (auto facts = describe(pid)) all.push_back(std::move(*facts));
  return all;
}

}  // namespace sovirt::process
