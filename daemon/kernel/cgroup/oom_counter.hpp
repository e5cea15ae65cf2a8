#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/domain/ports/cgroup_watch.hpp"
#include "daemon/kernel/cgroup/cgroup_roots.hpp"
#include "daemon/kernel/cgroup/oom_log.hpp"

namespace sovirt {

// How many processes of a group the kernel has killed for want of memory, so far. nullopt: it does not count here.
// `below`: with all the groups in it.
std::optional<std::uint64_t> count_oom_kills(const CgroupRoots&, std::string_view group, bool below);

// A group between the kernel's word that it ran out of memory and the moment when it is known who was killed. v1 gives
// its word before it kills, v2 after; the log comes a moment after both.
class OomCase {
 public:
  using Clock = std::chrono::steady_clock;
  OomCase(const CgroupRoots&, std::string_view group, bool below, std::uint64_t kills_before);

  void add(const KilledProcess& victim) { victims_.push_back(victim); }
  // Something to tell, or that nothing came of it: kills() is 0 then.
  bool settled();
  std::uint64_t kills() const noexcept { return now_ - before_; }
  std::uint64_t total() const noexcept { return now_; }
  bool unnamed() const noexcept { return victims_.size() < kills(); }
  // From the kernel's log; where it says nothing, those who were in the group and are gone, if they are as many as were killed.
  std::vector<KilledProcess> victims() const;

 private:
  const CgroupRoots& roots_;
  std::string group_;
  bool below_;
  std::uint64_t before_, now_;
  std::map<pid_t, std::string> members_;
  std::vector<KilledProcess> victims_;
  Clock::time_point deadline_;
  std::optional<Clock::time_point> counted_;
};

}  // namespace sovirt
