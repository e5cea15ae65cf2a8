#pragma once
#include <memory>
#include <string>

#include "daemon/base/log.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/cgroups.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/kind_rules.hpp"

namespace sovirt {

// What happens to the groups of cgroups and containers beside what clients ask for: somebody else changes a limit or
// removes a group, the kernel kills for want of memory, a resource is short. Thread-safe.
class GroupEvents {
 public:
  GroupEvents(Catalog& catalog, Executor& executor, const Cgroups& cgroups, const KernelPorts& kernel, Log& log)
      : catalog_(catalog), executor_(executor), cgroups_(cgroups), kernel_(kernel), log_(log) {}

  void start(Notice&);
  void stop() { listening_.reset(); }
  // Of a cgroup that is as its spec says, or a container that runs: watch it, as it is now.
  void attend(const std::string& uid);

 private:
  void happened(const GroupEvent&, Notice&);
  void out_of_memory(const Entry&, const GroupEvent&);
  void commit(std::string type, const Entry&, Json data);

  Catalog& catalog_;
  Executor& executor_;
  const Cgroups& cgroups_;
  KernelPorts kernel_;
  Log& log_;
  std::shared_ptr<void> listening_;
};

// What is to be watched of a container's group.
GroupWish container_wish(const Json& limits);

// Sets limits and says, as a condition and an event of the object, what it took: memory that was given back, processes
// that were killed.
void bring_limits(CgroupTree&, Catalog&, const std::string& uid, const std::string& group, const LimitsSpec&, Scratch&);

}  // namespace sovirt
