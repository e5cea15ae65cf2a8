#pragma once
#include <string>
#include <vector>

#include "daemon/kernel/host/cgroup_report.hpp"
#include "daemon/kernel/host/host_tree.hpp"
#include "daemon/kernel/host/kernel_build.hpp"
#include "daemon/kernel/host/kernel_questions.hpp"

namespace sovirt {

// One line of what lxc-checkconfig would tell (row V2).
struct Feature {
  std::string name;
  KernelAnswer answer;
  std::string needed_for;  // what stops working without it
  bool required = false;   // without it no container starts
};

struct FeatureSources {
  const HostTree& host;
  const KernelBuild& build;
  const Answers& asked;    // empty: nothing was asked of the kernel
  const CgroupFacts& cgroups;
};

std::vector<Feature> find_features(const FeatureSources&);

// What asking would make the kernel load a module for, by name of the feature.
std::set<std::string> loadable_parts(const HostTree&, const KernelBuild&);

}  // namespace sovirt
