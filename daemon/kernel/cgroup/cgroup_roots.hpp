#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/hierarchy_root.hpp"
#include "daemon/kernel/cgroup/limits.hpp"

namespace sovirt {

// The hierarchies that this daemon uses, and where its groups are in them.
struct CgroupRoots {
  // Throws Error{unsupported} where none can be written.
  CgroupRoots(std::string_view parent, std::string_view instance, std::vector<CgroupHierarchy> hierarchies);

  const HierarchyRoot* v2() const { return !all.empty() && all.back().version() == 2 ? &all.back() : nullptr; }
  // "io" is v1's "blkio", "freezer" is part of v2 itself. Without a v1 hierarchy of that name it is v2, if there is one,
  // whether that has the controller or not.
  const HierarchyRoot* controlling(std::string_view controller) const;
  bool exists(std::string_view group) const;
  LimitVersions versions() const;

  std::vector<HierarchyRoot> all;              // v1 ones first, v2 last
  std::vector<CgroupHierarchy> unused;         // mounted, but not writable
  std::mutex making;                           // of the daemon's directories and what is put into them
};

// The writes of a spec with the directory of each, held open.
class GroupLimits {
 public:
  GroupLimits(const CgroupRoots&, std::string_view group, const LimitsSpec&);
  void check() const { check_limit_files(writes_, directories_); }
  LimitsOutcome apply() const { return apply_limits(writes_, directories_, kill_excess_); }
  bool hold() const { return missing_limits(writes_, directories_).empty(); }

 private:
  std::vector<LimitWrite> writes_;
  LimitDirectories directories_;
  std::vector<unique_fd> held_;
  bool kill_excess_;
};

class CgroupTree;
std::unique_ptr<CgroupTree> make_cgroup_tree_over(std::shared_ptr<CgroupRoots>);

Error absent_group(std::string_view group);
unique_fd present(std::optional<unique_fd> directory, std::string_view group);  // throws absent_group

}  // namespace sovirt
