#include "daemon/kernel/cgroup/memory_room.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/cgroup_files.hpp"
#include "daemon/kernel/cgroup/cgroup_walk.hpp"
#include "daemon/kernel/cgroup/descendants.hpp"
#include "daemon/kernel/cgroup/hierarchies.hpp"

namespace sovirt {
namespace {

using std::chrono_literals::operator""s;

std::uint64_t used(int directory, bool v2, const std::string& file) {
  const char* const usage = v2 ? "memory.current" : file.find("memsw") != std::string::npos ? "memory.memsw.usage_in_bytes" : "memory.usage_in_bytes";
  return read_number_at(directory, usage).value_or(0);
}

// memory.reclaim is there since Linux 5.19; before, memory.high makes the kernel reclaim in the same way.
void reclaim(int directory, std::uint64_t most, const std::string& value) {
  const std::uint64_t now = used(directory, true, "");
  if (now <= most) return;
  if (try_write_at(directory, "memory.reclaim", std::to_string(now - most)) != ENOENT) return;
  std::string high = read_text_at(directory, "memory.high").value_or("max");
  while (!high.empty() && high.back() == '\n') high.pop_back();
  try_write_at(directory, "memory.high", value);
  try_write_at(directory, "memory.high", high);
}

std::uint64_t resident_pages(pid_t pid) {
  try {
    const auto words = split_words(read_text_at(AT_FDCWD, ("/proc/" + std::to_string(pid) + "/statm").c_str()).value_or(""));
    return words.size() > 1 ? std::strtoull(words[1].c_str(), nullptr, 10) : 0;
  } catch (const Error&) {
    return 0;   // it has ended
  }
}

std::set<pid_t> members(int directory) {
  std::set<pid_t> pids;
  if (auto group = open_directory_at(directory, ".")) collect_processes(std::move(*group), pids);
  return pids;
}

// The kernel would take the same one, adjustments apart. nullopt: there is none, or it does not end.
std::optional<KilledProcess> kill_largest(int directory) {
  pid_t largest = 0;
  std::uint64_t most = 0;
  for (const pid_t pid : members(directory))
    if (const std::uint64_t pages = resident_pages(pid); pages > most) most = pages, largest = pid;
  const unique_fd held{largest > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, largest, 0)) : -1};
  const auto facts = held ? process_facts(largest) : std::nullopt;
  if (!facts || !members(directory).contains(largest)) return std::nullopt;   // the pid may be another's by now
  if (::syscall(SYS_pidfd_send_signal, held.get(), SIGKILL, nullptr, 0) != 0) return std::nullopt;
  pollfd end{held.get(), POLLIN, 0};
  return ::poll(&end, 1, 2000) > 0 ? std::optional{KilledProcess{largest, facts->name}} : std::nullopt;
}

}  // namespace

int write_memory_limit(int directory, const std::string& file, const std::string& value, bool kill, LimitsOutcome& outcome) {
  const bool v2 = file == "memory.max";
  const bool unlimited = value == "max" || value.starts_with('-');
  const std::uint64_t most = unlimited ? ~std::uint64_t{0} : std::strtoull(value.c_str(), nullptr, 10);
  const std::uint64_t before = used(directory, v2, file);
  const auto attempt = [&] {
    if (v2) reclaim(directory, most, value);
    return v2 && used(directory, v2, file) > most ? EBUSY : try_write_at(directory, file.c_str(), value);
  };
  int number = attempt();
  const Deadline deadline{10s};
  while (number == EBUSY && kill && !deadline.passed()) {
    auto killed = kill_largest(directory);
    if (!killed) break;
    outcome.killed.push_back(std::move(*killed));
    number = attempt();
  }
  if (number == 0 && before > most) outcome.freed = std::max(outcome.freed, before - std::min(before, used(directory, v2, file)));
  return number;
}

}  // namespace sovirt
