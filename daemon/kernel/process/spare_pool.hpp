#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/domain/ports/cgroup_tree.hpp"
#include "daemon/kernel/process/monitor_process.hpp"

namespace sovirt::process {

struct Spare {
  MonitorProcess monitor;
  std::string group;      // "" on pure v2, where a group cannot be renamed and need not be
};

// Keeps one sovirt-launch started ahead. Its thread sleeps unless the spare was taken.
class SparePool {
 public:
  SparePool(std::string program, CgroupTree&, std::vector<DeviceRule> usual_devices);
  ~SparePool();
  std::optional<Spare> take();
  // A launch has ended: a new one is made when no other follows at once, so that a burst is not slowed by it.
  void refill() noexcept;

 private:
  void run(std::stop_token);
  Spare make();
  void discard(Spare&) noexcept;
  void remove_leftovers() noexcept;

  std::string program_;
  CgroupTree& cgroups_;
  std::vector<DeviceRule> devices_;   // set on a spare's group ahead of time
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Spare> spare_;
  std::chrono::steady_clock::time_point due_;
  bool wanted_ = true;
  unsigned made_ = 0;
  std::jthread thread_;
};

}  // namespace sovirt::process
