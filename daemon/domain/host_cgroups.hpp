#pragma once
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/cgroup_calls.hpp"
#include "daemon/domain/cgroups.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/keyed_locks.hpp"

namespace sovirt {

class HostCgroups final : public CgroupCalls {
 public:
  HostCgroups(Catalog& catalog, Executor& executor, KeyedLocks& locks, Cgroups& cgroups, const KernelPorts& kernel)
      : catalog_(catalog), executor_(executor), locks_(locks), cgroups_(cgroups), kernel_(kernel) {}

  Json processes(std::string_view cgroup) override;
  Json add_processes(std::string_view cgroup, const ProcessesRequest&, const ChangeContext&) override;
  void release_process(std::string_view cgroup, pid_t pid, const ChangeContext&) override;
  void kill_processes(std::string_view cgroup, const ChangeContext&) override;
  Json stats(Kind, std::string_view name) override;
  Json all_stats() override;

 private:
  std::string group_of(const Entry&) const;
  void check_foreign(pid_t pid) const;
  Json show(const std::vector<pid_t>& pids) const;
  void tell(std::string type, const Entry&, Json data, const ChangeContext&);

  Catalog& catalog_;
  Executor& executor_;
  KeyedLocks& locks_;
  Cgroups& cgroups_;
  KernelPorts kernel_;
};

}  // namespace sovirt
