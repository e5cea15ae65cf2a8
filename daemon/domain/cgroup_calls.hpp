#pragma once
#include <string_view>

#include "api/cgroup.hpp"
#include "api/json.hpp"
#include "api/names.hpp"

namespace sovirt {

struct ChangeContext;

// What can be asked of a control group beside what every object has. Blocks for a few kernel files at most, unless it
// says otherwise. Throws Error.
class CgroupCalls {
 public:
  virtual ~CgroupCalls() = default;

  virtual Json processes(std::string_view cgroup) = 0;                       // {"items":[…]}: in it, not in those in it
  // Attaches or starts; those that were, as processes() shows them. With descendants of a fork storm: up to 10 s.
  virtual Json add_processes(std::string_view cgroup, const ProcessesRequest&, const ChangeContext&) = 0;
  virtual void release_process(std::string_view cgroup, pid_t pid, const ChangeContext&) = 0;
  virtual void kill_processes(std::string_view cgroup, const ChangeContext&) = 0;   // and of those in it; up to 10 s
  virtual Json stats(Kind, std::string_view name) = 0;                       // [fast] of a cgroup or a container
  virtual Json all_stats() = 0;                                              // [fast] {"at","items"} of all that run
};

}  // namespace sovirt
