#include "daemon/kernel/host/cgroup_report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sovirt {
namespace {

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

ControllerFacts& entry(std::vector<ControllerFacts>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
  if (found != all.end()) return *found;
  all.push_back({name, 0, "", 0, true, false});
  return all.back();
}

bool would_be_used(const CgroupHierarchy& on, const std::string& controller) {
  return on.writable && (on.version == 1 || contains(wanted_v2_controllers(), controller));
}

}  // namespace

bool CgroupFacts::has(int version) const {
  return std::any_of(hierarchies.begin(), hierarchies.end(), [&](const auto& one) { return one.version == version; });
}

const ControllerFacts* CgroupFacts::find(std::string_view name) const {
  const auto found = std::find_if(controllers.begin(), controllers.end(), [&](const auto& one) { return one.name == name; });
  return found == controllers.end() ? nullptr : &*found;
}

CgroupFacts cgroup_facts(const HostTree& host, const std::vector<CgroupController>* used) {
  CgroupFacts facts;
  facts.hierarchies = parse_hierarchies(host.read("/proc/self/mountinfo").value_or(""), host.read("/proc/self/cgroup").value_or(""));
  for (const KernelController& known : parse_controllers(host.read("/proc/cgroups").value_or(""))) {
    ControllerFacts& controller = entry(facts.controllers, known.name);
    controller.hierarchy = known.hierarchy;
    controller.enabled = known.enabled;
  }
  for (CgroupHierarchy& mounted : facts.hierarchies) {
    if (mounted.version == 2) mounted.controllers = split_words(host.read(mounted.mount + "/cgroup.controllers").value_or(""));
    for (const std::string& name : mounted.controllers) {
      ControllerFacts& controller = entry(facts.controllers, name);
      controller.version = mounted.version;
      controller.path = mounted.mount;
      controller.used = !used && would_be_used(mounted, name);
    }
  }
  if (used)
    for (const CgroupController& one : *used)
      if (one.used) entry(facts.controllers, one.name).used = true;
  std::sort(facts.controllers.begin(), facts.controllers.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return facts;
}

Json cgroup_report(const CgroupFacts& facts) {
  const bool v1 = facts.has(1), v2 = facts.has(2);
  Json mounts = Json::array(), controllers = Json::array();
  for (const CgroupHierarchy& mounted : facts.hierarchies)
    mounts.push_back({{"path", mounted.mount},
                      {"version", mounted.version},
                      {"controllers", mounted.controllers},
                      {"writable", mounted.writable}});
  for (const ControllerFacts& controller : facts.controllers)
    controllers.push_back({{"name", controller.name},
                           {"version", controller.version ? Json(controller.version) : Json(nullptr)},
                           {"path", controller.path.empty() ? Json(nullptr) : Json(controller.path)},
                           {"hierarchy", controller.hierarchy},
                           {"enabled", controller.enabled},
                           {"used", controller.used}});
  return {{"layout", v1 && v2 ? "hybrid" : v1 ? "v1" : v2 ? "v2" : "none"},
          {"mounts", std::move(mounts)},
          {"controllers", std::move(controllers)}};
}

}  // namespace sovirt
