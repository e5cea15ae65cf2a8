#pragma once
#include <memory>
#include <string>

#include "daemon/domain/ports/cgroup_members.hpp"
#include "daemon/kernel/cgroup/cgroup_roots.hpp"

namespace sovirt {

// `program`: sovirt-launch. Empty: run() is Error{unsupported}.
std::unique_ptr<CgroupMembers> make_cgroup_members(std::shared_ptr<CgroupRoots>, std::string program);

}  // namespace sovirt
