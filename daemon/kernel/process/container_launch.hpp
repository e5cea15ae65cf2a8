#pragma once
#include <string>

#include "daemon/domain/ports/launcher.hpp"
#include "daemon/kernel/process/exit_watcher.hpp"
#include "daemon/kernel/process/monitor_process.hpp"
#include "daemon/kernel/process/spare_pool.hpp"

namespace sovirt::process {

// The launch between its two halves.
class ContainerLaunch final : public Launch {
 public:
  struct Parts { const RunDirectory& run; ExitWatcher& watcher; CgroupTree& cgroups; SparePool* spares; };  // spares: or none
  ContainerLaunch(MonitorProcess monitor, std::string uid, std::string name, std::string group, Parts);
  ~ContainerLaunch() override;
  Launched go(int netns) override;
  int control() const noexcept { return monitor_.control(); }

 private:
  Launched await_start();

  MonitorProcess monitor_;
  std::string uid_, name_, group_;
  Parts parts_;
  bool launched_ = false;
};

}  // namespace sovirt::process
