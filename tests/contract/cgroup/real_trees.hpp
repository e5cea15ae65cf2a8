#pragma once
#include <memory>
#include <string>
#include <vector>

#include "daemon/domain/ports/cgroup_tree.hpp"
#include "daemon/kernel/cgroup/hierarchies.hpp"
#include "daemon/kernel/cgroup/kernel_cgroup_tree.hpp"

namespace sovirt::test {

enum class Versions { all, v1_only, v2_only };

// Where trees are made: "/", or what SOVIRT_TEST_CGROUP_PARENT names, a group that systemd has delegated.
std::string test_parent();

// The hierarchies of this host that a test may use as if it had no others.
std::vector<CgroupHierarchy> hierarchies_of(Versions);

// A tree of this test process alone. Its directories carry our pid, so that the first use in a later run can kill
// and remove what a run that died left behind. Empty: this host has none of those hierarchies, or we are not root.
struct RealTree {
  std::string instance;
  CgroupPorts ports;
};
RealTree make_real_tree(Versions);

void empty_tree(CgroupTree&);  // kills and removes every group
// Puts a process into a group by the descriptors of its placement.
void attach(CgroupTree&, const std::string& group, pid_t pid);

}  // namespace sovirt::test
