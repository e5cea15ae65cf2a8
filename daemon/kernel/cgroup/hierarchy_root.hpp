#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/cgroup/cgroup_files.hpp"
#include "daemon/kernel/cgroup/hierarchies.hpp"

namespace sovirt {

// The daemon's part of one hierarchy: the directory <parent>/sovirt-<instance> and the groups in it. It holds a
// descriptor of the mount point only, so a parent that systemd made anew is found again. create() and drop_own() are
// to be called under one lock, everything else from any thread. Throws Error.
class HierarchyRoot {
 public:
  // v2: the parent must exist. v1: systemd makes delegated groups only in the hierarchies it manages (not freezer or
  // cpuset), so in the others the deepest part of the parent that exists takes its place.
  HierarchyRoot(CgroupHierarchy, std::string_view parent, std::string_view instance);

  int version() const noexcept { return hierarchy_.version; }
  const CgroupHierarchy& hierarchy() const noexcept { return hierarchy_; }
  bool has(std::string_view controller) const;            // of a v1 hierarchy
  std::optional<unique_fd> own() const;                   // the daemon's directory; empty: absent
  std::optional<unique_fd> group(std::string_view name) const;
  std::optional<unique_fd> parent() const;
  std::string path(std::string_view name) const;          // below the mount

  bool create(std::string_view name);                     // false: was there. Makes the daemon's directory too
  bool remove(std::string_view name, const Deadline&) const;  // with all below it; false: was absent
  void rename(std::string_view from, std::string_view to) const;  // v1 only
  void drop_own() noexcept;                               // if nothing is in it

 private:
  unique_fd make_own();
  void prepare(int own);
  void pass_on(std::string_view name) const;

  CgroupHierarchy hierarchy_;
  unique_fd mount_;
  std::string parent_path_;  // below the mount, "." for the mount point
  std::string own_path_;     // "system.slice/sovirt-cgroup.service/sovirt-ab12cd34"
  bool prepared_ = false;
};

}  // namespace sovirt
