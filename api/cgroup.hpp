#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/bridge.hpp"
#include "api/json.hpp"
#include "api/limits.hpp"

namespace sovirt {

struct CgroupSpec {
  LimitsSpec limits;
  bool frozen = false;
  Policy policy = Policy::repair;      // what to do about limits that somebody else changed
  std::optional<std::string> parent;   // the name of the cgroup it lies in
};

CgroupSpec read_cgroup_spec(const Json&);   // throws Error{invalid} with every wrong field
Json write_cgroup_spec(const CgroupSpec&);

// POST …/processes: one that runs already, or a command that is started there.
struct ProcessesRequest {
  pid_t pid = 0;                       // 0: start `command`
  bool descendants = false;
  std::vector<std::string> command;
  std::optional<std::string> cpus;     // "0-3,6": what it is pinned to
  std::map<std::string, std::string> env;
  std::string cwd = "/";
};
ProcessesRequest read_processes_request(const Json&);

}  // namespace sovirt
