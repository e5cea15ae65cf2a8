#pragma once
#include <sys/types.h>

#include "daemon/launcher/cloner.hpp"

namespace sovirt::launch {

// The monitor's hand inside the container's groups: a fork of it that clones on its behalf (see Cloner).
// It may be killed at any time, by the OOM killer above all, and is then forked anew.
class Agent {
 public:
  // Forked and written into the groups. `except`: a group it stays out of, or -1. Throws Error.
  Agent(const std::vector<unique_fd>& groups, int except, const CgroupView&);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // nullopt: the agent is gone. Throws Error{invalid, …} as the cloner in it did.
  std::optional<Cloned> clone(Type, std::span<const std::byte> request, std::span<const int> fds);
  void leave(int procs) noexcept;   // in its own time
  pid_t pid() const noexcept { return pid_; }

 private:
  void end() noexcept;

  unique_fd socket_;
  pid_t pid_ = -1;
};

// Writes the calling process into a group by its open cgroup.procs.
bool attach_self(int procs) noexcept;

}  // namespace sovirt::launch
