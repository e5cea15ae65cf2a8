#include "daemon/kernel/cgroup/oom_counter.hpp"

#include "daemon/kernel/cgroup/cgroup_files.hpp"
#include "daemon/kernel/cgroup/cgroup_walk.hpp"
#include "daemon/kernel/cgroup/descendants.hpp"

namespace sovirt {
namespace {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

constexpr auto killing_takes = 2s;    // at most, from the kernel's word to its count
constexpr auto naming_takes = 200ms;  // at most, from the count to the log

std::uint64_t kills_in(int directory, const char* file) { return read_number_at(directory, file, "oom_kill").value_or(0); }

// v1 counts each group by itself. v2 also sums up, but what a vanished group had counted goes with it only in that sum.
std::uint64_t count_v1(unique_fd group, bool below) {
  std::uint64_t kills = 0;
  if (!below) return kills_in(group.get(), "memory.oom_control");
  walk_groups(std::move(group), {[&](int directory) { kills += kills_in(directory, "memory.oom_control"); }, {}});
  return kills;
}

std::uint64_t count_v2(int group, bool below) {
  if (below) return kills_in(group, "memory.events");
  const auto leaf = open_directory_at(group, ".sovirt");
  return kills_in(group, "memory.events.local") + (leaf ? kills_in(leaf->get(), "memory.events.local") : 0);
}

}  // namespace

std::optional<std::uint64_t> count_oom_kills(const CgroupRoots& roots, std::string_view group, bool below) {
  const HierarchyRoot* root = roots.controlling("memory");
  auto directory = root ? root->group(group) : std::nullopt;
  if (!directory) return std::nullopt;
  return root->version() == 1 ? count_v1(std::move(*directory), below) : count_v2(directory->get(), below);
}

OomCase::OomCase(const CgroupRoots& roots, std::string_view group, bool below, std::uint64_t kills_before)
    : roots_(roots), group_(group), below_(below), before_(kills_before), now_(kills_before), deadline_(Clock::now() + killing_takes) {
  const HierarchyRoot* root = roots.controlling("memory");
  auto directory = root ? root->group(group) : std::nullopt;
  std::set<pid_t> pids;
  if (directory) collect_processes(std::move(*directory), pids);
  for (const pid_t pid : pids)
    if (const auto facts = process_facts(pid)) members_[pid] = facts->name;
}

bool OomCase::settled() {
  const std::uint64_t count = count_oom_kills(roots_, group_, below_).value_or(0);
  if (count > now_) {
    now_ = count;
    counted_ = Clock::now();
  }
  if (kills() > 0 && !unnamed()) return true;
  return Clock::now() >= (counted_ ? *counted_ + naming_takes : deadline_);
}

std::vector<KilledProcess> OomCase::victims() const {
  if (!victims_.empty()) return victims_;
  std::vector<KilledProcess> gone;
  for (const auto& [pid, name] : members_) {
    const auto facts = process_facts(pid);
    if (!facts || facts->ended) gone.push_back({pid, name});
  }
  return gone.size() == kills() ? gone : std::vector<KilledProcess>{};
}

}  // namespace sovirt
