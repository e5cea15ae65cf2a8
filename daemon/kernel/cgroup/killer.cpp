#include "daemon/kernel/cgroup/killer.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/cgroup_walk.hpp"
#include "daemon/kernel/cgroup/freezer.hpp"

namespace sovirt {
namespace {

using std::chrono_literals::operator""us;
using std::chrono_literals::operator""ms;

constexpr std::size_t batch = 128;  // pidfds held at once

std::optional<unique_fd> group_in(const std::vector<HierarchyRoot>& roots, int version, std::string_view controller,
                                  std::string_view group) {
  for (const HierarchyRoot& root : roots)
    if (root.version() == version && (version == 2 || root.has(controller))) return root.group(group);
  return std::nullopt;
}

// A pid read from cgroup.procs may be another process's by the time of the kill. The descriptor taken first and the
// list read again afterwards make sure that who gets the signal was in the group while we held it.
void signal_all(const std::vector<HierarchyRoot>& roots, std::string_view group, const std::set<pid_t>& pids) {
  std::vector<std::pair<pid_t, unique_fd>> held;
  const auto strike = [&] {
    const std::set<pid_t> still = processes_of(roots, group);
    for (const auto& [pid, fd] : held)
      if (still.contains(pid)) ::syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0);
    held.clear();
  };
  for (const pid_t pid : pids) {
    unique_fd fd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
    if (fd) held.emplace_back(pid, std::move(fd));
    if (held.size() == batch) strike();
  }
  if (!held.empty()) strike();
}

// The v1 way. Frozen, a group cannot fork faster than it is killed; a frozen process dies when it is thawed.
void freeze_and_signal(const std::vector<HierarchyRoot>& roots, std::string_view group, int freezer) {
  if (freezer >= 0) {
    try {
      set_frozen_v1(freezer, true, Deadline{200ms});
    } catch (const Error&) {
      // One process that will not freeze does not save the others; the loop above comes again.
    }
  }
  signal_all(roots, group, processes_of(roots, group));
  if (freezer >= 0) write_text_at(freezer, "freezer.state", "THAWED");
}

// The kernel's own kill: it takes forks in the making too. Waits a moment, so that the dying are not signalled again.
void kill_v2(int group, int freezer) {
  if (try_write_at(group, "cgroup.kill", "1") != 0) return;  // before Linux 5.14
  if (freezer >= 0) write_text_at(freezer, "freezer.state", "THAWED");
  wait_for_event(group, "populated 0", Deadline{500ms});
}

bool wait_until_empty(const std::vector<HierarchyRoot>& roots, std::string_view group, const Deadline& deadline) {
  const Deadline round{std::min(500ms, std::chrono::milliseconds{deadline.milliseconds_left()})};
  for (auto pause = 100us;; pause = std::min(pause * 2, 10000us)) {
    if (processes_of(roots, group).empty()) return true;
    if (!round.sleep(pause)) return false;
  }
}

}  // namespace

std::set<pid_t> processes_of(const std::vector<HierarchyRoot>& roots, std::string_view group) {
  std::set<pid_t> pids;
  for (const HierarchyRoot& root : roots)
    if (auto directory = root.group(group)) collect_processes(std::move(*directory), pids);
  return pids;
}

void kill_group(const std::vector<HierarchyRoot>& roots, std::string_view group, const Deadline& deadline) {
  const auto v2 = group_in(roots, 2, {}, group);
  const auto freezer = group_in(roots, 1, "freezer", group);
  const int freezer_fd = freezer ? freezer->get() : -1;
  do {
    if (v2) kill_v2(v2->get(), freezer_fd);
    if (!processes_of(roots, group).empty()) freeze_and_signal(roots, group, freezer_fd);
    if (wait_until_empty(roots, group, deadline)) {
      if (freezer) write_text_at(freezer_fd, "freezer.state", "THAWED");
      if (v2) try_write_at(v2->get(), "cgroup.freeze", "0");
      return;
    }
  } while (!deadline.passed());
  std::string pids;
  for (const pid_t pid : processes_of(roots, group)) pids += " " + std::to_string(pid);
  throw Error{Code::timed_out, "killed, but still in the group " + std::string{group} + ":" + pids};
}

}  // namespace sovirt
