#include "daemon/kernel/cgroup/watched_group.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/kernel/cgroup/cgroup_files.hpp"

namespace sovirt {
namespace {

constexpr std::uint32_t in_directories = IN_MODIFY | IN_DELETE | IN_ONLYDIR;

std::string place(const HierarchyRoot& root, std::string_view group) { return root.hierarchy().mount + root.path(group); }

bool has_limits(const HierarchyRoot& root) {
  static constexpr const char* controllers[] = {"cpu", "cpuset", "memory", "pids", "blkio", "freezer"};
  return root.version() == 2 ||
         std::any_of(std::begin(controllers), std::end(controllers), [&](const char* one) { return root.has(one); });
}

void add_watch(WatchedGroup& watched, int inotify, const std::string& path, std::uint32_t mask) {
  const int watch = ::inotify_add_watch(inotify, path.c_str(), mask);
  if (watch >= 0) watched.watches.push_back(watch);
}

// "EVENTFD FD-OF-memory.oom_control" into cgroup.event_control (Documentation/admin-guide/cgroup-v1/memory.rst, 9).
unique_fd oom_eventfd(int group) {
  unique_fd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  const auto control = open_file_at(group, "memory.oom_control", O_RDONLY);
  if (!event || !control) return {};
  const std::string line = std::to_string(event.get()) + " " + std::to_string(control->get());
  return try_write_at(group, "cgroup.event_control", line) == 0 ? std::move(event) : unique_fd{};
}

}  // namespace

// "some 150000 1000000": microseconds (Documentation/accounting/psi.rst).
unique_fd arm_pressure(int group, const PressureTrigger& trigger) {
  const std::string file = std::string{resource_text(trigger.resource)} + ".pressure";
  unique_fd fd{::openat(group, file.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)};
  const auto microseconds = [](auto time) { return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(time).count()); };
  const std::string line = (trigger.full ? "full " : "some ") + microseconds(trigger.stall) + " " + microseconds(trigger.window);
  return fd && ::write(fd.get(), line.c_str(), line.size() + 1) > 0 ? std::move(fd) : unique_fd{};
}

bool is_limit_file(std::string_view name) {
  static constexpr std::string_view counters[] = {"memory.events", "memory.events.local", "memory.swap.events", "pids.events", "pids.events.local",
                                                  "memory.pressure", "cpu.pressure", "io.pressure", "memory.reclaim"};
  if (std::find(std::begin(counters), std::end(counters), name) != std::end(counters)) return false;
  if (name == "cgroup.freeze" || name == "freezer.state") return true;
  static constexpr std::string_view prefixes[] = {"cpu.", "cpuset.", "memory.", "pids.", "io.", "blkio."};
  return std::any_of(std::begin(prefixes), std::end(prefixes), [&](std::string_view prefix) { return name.starts_with(prefix); });
}

int watch_own_directory(const HierarchyRoot& root, int inotify) {
  return ::inotify_add_watch(inotify, place(root, "").c_str(), in_directories);
}

std::optional<WatchedGroup> watch_group(const CgroupRoots& roots, int inotify, std::string group, std::string key, GroupWish wish) {
  if (!roots.exists(group)) return std::nullopt;
  WatchedGroup watched;
  watched.group = std::move(group);
  watched.key = std::move(key);
  watched.wish = std::move(wish);
  if (watched.wish.files)
    for (const HierarchyRoot& root : roots.all)
      if (has_limits(root)) add_watch(watched, inotify, place(root, watched.group), in_directories);
  const HierarchyRoot* memory = roots.controlling("memory");
  const auto at = memory ? memory->group(watched.group) : std::nullopt;
  if (at && memory->version() == 1) watched.out_of_memory = oom_eventfd(at->get());
  if (at && memory->version() == 2) {
    // The file itself too: the kernel tells only of files that somebody holds on to.
    add_watch(watched, inotify, place(*memory, watched.group) + "/memory.events", IN_MODIFY);
    if (!watched.watches.empty()) watched.memory_events = watched.watches.back();
  }
  watched.kills = count_oom_kills(roots, watched.group, watched.wish.below).value_or(0);
  const auto v2 = roots.v2() ? roots.v2()->group(watched.group) : std::nullopt;
  if (v2)
    for (const PressureTrigger& trigger : watched.wish.pressure)
      if (unique_fd fd = arm_pressure(v2->get(), trigger)) watched.pressure.emplace_back(std::move(fd), trigger);
  return watched;
}

void end_watches(int inotify, WatchedGroup& watched) {
  for (const int watch : watched.watches) ::inotify_rm_watch(inotify, watch);
  watched.watches.clear();
  watched.memory_events = -1;
  watched.out_of_memory.reset();
  watched.pressure.clear();
}

}  // namespace sovirt
