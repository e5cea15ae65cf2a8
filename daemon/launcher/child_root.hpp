#pragma once
#include "daemon/launcher/child_report.hpp"
#include "daemon/launcher/plan.hpp"

namespace sovirt::launch::child {

// The mounts of a container, made by the child inside its new mount namespace, in this order.
// Source: OCI runtime specification 1.1, config.md "Mounts"; mount_namespaces(7), pivot_root(2).
class Root {
 public:
  Root(const Plan& plan, const Reporter& report) noexcept : plan_(plan), report_(report) {}

  void open_shared_sources() const noexcept; // first of all: afterwards no mount here is another's peer any more
  void enter(int rootfs) const noexcept;     // makes the detached mount the root; the host's stays reachable below
  void mount_early() const noexcept;         // all that needs no network namespace
  void leave_host() const noexcept;          // the host's mounts are gone from here on
  void mount_late() const noexcept;
  void protect(bool late) const noexcept;    // masked and read-only paths; needs /dev/null
  void attach_source(const MountPlan&, int tree) const noexcept;
  void bind_from_host(const char* source, const char* target, unsigned long flags, bool recursive) const noexcept;

 private:
  void mount_one(const MountPlan&) const noexcept;
  void mount_cgroups(const MountPlan&, const char* at) const noexcept;
  void mask(const char* path) const noexcept;
  void make_readonly(const char* path) const noexcept;
  bool is_late(const char* path) const noexcept;
  bool stages_cgroups(const MountPlan& mount) const noexcept {
    return mount.late && mount.type == "cgroup" && plan_.own_dev;
  }

  const Plan& plan_;
  const Reporter& report_;
  mutable int host_root_ = -1;       // the daemon's "/", where sources of bind mounts are looked up
  static constexpr std::size_t most_sources = 128;
  mutable int sources_[most_sources] = {};   // of bind mounts that take part in propagation: a descriptor + 1, or 0
  mutable int namespace_root_ = -1;  // the same, or what a chroot of the daemon lies in
};

// mkdir -p of a folder, or of a file's folder and the file. Links in the root lead nowhere but into it.
void make_target(const Reporter&, const char* path, bool is_folder) noexcept;

}  // namespace sovirt::launch::child
