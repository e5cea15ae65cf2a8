#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/json.hpp"
#include "client/ctl/command.hpp"
#include "client/ctl/page.hpp"

namespace sovirt::ctl {

// Limits as they are written on the command line, of a container and of a cgroup. "none" takes one away.
struct LimitOptions {
  std::optional<std::string> memory, memory_high, swap, cpus, cpu_weight, cpu_shares, cpuset_cpus, cpuset_mems, pids, io_weight, on_excess;
  std::vector<std::string> io;         // "device=/dev/vda,read=10M,…"
  std::vector<std::string> pressure;   // "resource=memory,stall=150ms,…"
};

void add_limit_options(Command&, LimitOptions&);
Json limits_of(const LimitOptions&);   // only what was named

// What is asked, in force and where, as `controllers` of a status shows it.
void page_controllers(Page&, const Json& controllers);

}  // namespace sovirt::ctl
