#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/domain/ports/cgroup_watch.hpp"
#include "daemon/kernel/cgroup/cgroup_roots.hpp"
#include "daemon/kernel/cgroup/oom_counter.hpp"

namespace sovirt {

// A group with what the kernel was asked to tell of it. Belongs to one thread.
struct WatchedGroup {
  std::string group, key;
  GroupWish wish;
  std::vector<int> watches;             // of inotify: its directories, and memory.events of v2
  int memory_events = -1;               // the one of `watches` that is v2's memory.events
  unique_fd out_of_memory;              // v1: an eventfd
  std::vector<std::pair<unique_fd, PressureTrigger>> pressure;
  std::uint64_t kills = 0;              // told of already
  std::unique_ptr<OomCase> oom;
  bool stale = false;                   // one of its directories was removed: the watches are of nothing
};

// Asks the kernel. What this host cannot tell is left out. nullopt: there is no such group.
std::optional<WatchedGroup> watch_group(const CgroupRoots&, int inotify, std::string group, std::string key, GroupWish);
void end_watches(int inotify, WatchedGroup&);

// A trigger of PSI in a group of v2, which lasts as long as the descriptor; poll(2) tells POLLPRI. Empty: errno says why not.
unique_fd arm_pressure(int group, const PressureTrigger&);

// The directory that holds a hierarchy's groups, so that their removal is heard of. -1: absent.
int watch_own_directory(const HierarchyRoot&, int inotify);

// Is it a limit, or whether the group is frozen? Counters that the kernel itself reports by the same way are not.
bool is_limit_file(std::string_view name);

}  // namespace sovirt
