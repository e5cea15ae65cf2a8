#pragma once
#include <memory>
#include <optional>

#include "daemon/launcher/agent.hpp"

namespace sovirt::launch {

// The container's group, seen from its monitor: what is cloned here is in it, by whichever way the host has.
class Group {
 public:
  // procs: open cgroup.procs of its v1 hierarchies; empty on pure v2. shelter: the same of the monitors' group.
  Group(std::vector<unique_fd> procs, const std::vector<unique_fd>& shelter);

  void set_v2(unique_fd directory) { v2_ = std::move(directory); }
  bool has_v2() const noexcept { return static_cast<bool>(v2_); }
  // request and fds as in Type::clone_*; the v2 directory is added here. Throws Error.
  Cloned clone(Type, std::span<const std::byte> request, std::vector<int> fds);
  // The container's systemd must find no stranger in its hierarchy, where it makes a unit of each process.
  void hide_agent_from_systemd() noexcept;
  void kill_all() noexcept;

 private:
  Cloned clone_here(Type, std::span<const std::byte> request, const std::vector<int>& fds) const;

  CgroupView view_;
  std::vector<unique_fd> procs_;
  unique_fd v2_, systemd_shelter_;
  int systemd_ = -1;               // of procs_
  bool hidden_ = false;
  std::unique_ptr<Agent> agent_;   // none on pure v2
};

}  // namespace sovirt::launch
