#pragma once
#include <string>

#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/cgroup_tree.hpp"

namespace sovirt::process {

// A sovirt-launch that has been started and, until release(), dies with this object.
class MonitorProcess {
 public:
  MonitorProcess() = default;
  // Started, and told to put its agent into the group on a host that needs that. Does not wait for it.
  // is_spare: there is time to leave the daemon's own group at once.
  MonitorProcess(const std::string& program, CgroupTree&, const CgroupPlacement& group, bool is_spare);
  MonitorProcess(MonitorProcess&&) noexcept = default;
  MonitorProcess& operator=(MonitorProcess&&) = delete;
  ~MonitorProcess() { end(); }

  explicit operator bool() const noexcept { return static_cast<bool>(pidfd_); }
  bool ended() const noexcept;   // killed by somebody, for instance
  int control() const noexcept { return control_.get(); }
  unique_fd release_control() noexcept { return std::move(control_); }
  unique_fd release_pidfd() noexcept { return std::move(pidfd_); }
  // Its socket is closed, by which it undoes what it has begun; killed if that takes too long; reaped.
  void end() noexcept;

 private:
  void spawn(const std::string& program, int other_end);
  void prepare(CgroupTree&, const CgroupPlacement& group, bool is_spare);

  unique_fd control_, pidfd_;
};

// Reaps an ended child of ours; nothing if it is not one.
void reap(int pidfd) noexcept;

}  // namespace sovirt::process
