#pragma once
#include <string>
#include <vector>

#include "api/json.hpp"
#include "daemon/domain/ports/cgroup_tree.hpp"
#include "daemon/kernel/cgroup/hierarchies.hpp"
#include "daemon/kernel/host/host_tree.hpp"

namespace sovirt {

struct ControllerFacts {
  std::string name;
  int version = 0;      // 0: on no mounted hierarchy
  std::string path;     // where that is mounted
  int hierarchy = 0;    // the kernel's number of a v1 hierarchy, 0 for v2
  bool enabled = true;  // false: switched off at boot
  bool used = false;    // by sovirt
};

// Rows G1-G3: what is mounted where, and what of it sovirt uses.
struct CgroupFacts {
  std::vector<CgroupHierarchy> hierarchies;  // v2 with its controllers filled in
  std::vector<ControllerFacts> controllers;  // sorted by name
  bool has(int version) const;
  const ControllerFacts* find(std::string_view name) const;
};

// used: what the daemon's tree says; null: what one made now would use.
CgroupFacts cgroup_facts(const HostTree&, const std::vector<CgroupController>* used);
Json cgroup_report(const CgroupFacts&);

}  // namespace sovirt
