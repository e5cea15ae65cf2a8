#pragma once
#include "daemon/launcher/cgroup_view.hpp"
#include "daemon/launcher/protocol.hpp"

namespace sovirt::launch {

// Clones a container's processes as children of the MONITOR: done by the monitor itself where a process can be
// cloned into its group (pure cgroup v2), otherwise by the agent, which is in the groups already, so that they are
// inherited; a write to cgroup.procs costs up to 10 ms on v1.
class Cloner {
 public:
  Cloner(bool is_agent, CgroupView view) : is_agent_(is_agent), view_(std::move(view)) {}

  // The descriptors are those of Type::clone_init and Type::clone_exec. Throws Error: nothing was cloned.
  Cloned clone_init(const std::vector<unique_fd>& fds) const;
  Cloned clone_exec(const CloneExec&, const std::vector<unique_fd>& fds) const;

 private:
  template <class Child>
  pid_t clone(std::uint64_t namespaces, int group_v2, const Child&) const;

  bool is_agent_;
  CgroupView view_;   // read ahead: a spare has the time for it
};

}  // namespace sovirt::launch
