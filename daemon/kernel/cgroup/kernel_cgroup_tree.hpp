#pragma once
#include <memory>
#include <string>
#include <vector>

#include "daemon/domain/ports/cgroup_members.hpp"
#include "daemon/domain/ports/cgroup_meters.hpp"
#include "daemon/domain/ports/cgroup_tree.hpp"
#include "daemon/domain/ports/cgroup_watch.hpp"
#include "daemon/kernel/cgroup/hierarchies.hpp"

namespace sovirt {

struct CgroupOptions {
  std::string instance;      // [a-z0-9-]+; the daemon's directory is <parent>/sovirt-<instance>
  std::string parent = "/";  // "/" or "/system.slice/sovirt-cgroup.service"; without a leading slash: below our own group
  std::string program{};     // sovirt-launch, which starts commands in groups
};

// What the domain has of cgroups, over the same hierarchies.
struct CgroupPorts {
  std::unique_ptr<CgroupTree> tree;
  std::unique_ptr<CgroupMeters> meters;
  std::unique_ptr<CgroupMembers> members;
  std::unique_ptr<CgroupWatch> watch;
};
CgroupPorts make_cgroup_ports(CgroupOptions);
CgroupPorts make_cgroup_ports(CgroupOptions, std::vector<CgroupHierarchy>);

// The real tree, over every writable hierarchy that is mounted now. The first create() makes the daemon's directory,
// the removal of its last group removes it.
// A group that is absent: processes() is empty, kill() and remove() have nothing to do; everything else is Error{not_found}.
// kill() uses cgroup.kill where there is one. Linux 6.14 (and 6.1.129) kill at once what is cloned into such a group
// afterwards, so it has to be removed and created again before it is used for another launch.
// placement() of a v2 group whose processes have passed controllers on to groups of their own (systemd does) gives a
// leaf ".sovirt" below it, since the kernel refuses processes in the group itself then.
std::unique_ptr<CgroupTree> make_cgroup_tree(CgroupOptions);
// Over these hierarchies only, so that a hybrid host can be used as a pure one.
std::unique_ptr<CgroupTree> make_cgroup_tree(CgroupOptions, std::vector<CgroupHierarchy>);

// Throws Error{bad_name} for what cannot be a group's name: one to eight parts with slashes between.
void check_group_name(std::string_view group);

}  // namespace sovirt
