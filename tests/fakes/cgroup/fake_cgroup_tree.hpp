#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/cgroup_tree.hpp"

namespace sovirt {

// A host's cgroups as a table. What it does not do: account CPU time (it grows only by set_usage) and signal processes
// (kill() empties the group). The contract suite holds it to what the kernel's tree does. Thread-safe.
class FakeCgroupTree final : public CgroupTree {
 public:
  struct Host {
    bool v1 = true;                                            // false: pure v2, no rename, no attaching
    std::set<std::string> controllers{"cpu", "cpuacct", "memory", "pids", "freezer"};
  };
  FakeCgroupTree() : FakeCgroupTree(Host{}) {}
  explicit FakeCgroupTree(Host host) : host_(std::move(host)) {}

  // For tests.
  void fail_call(int n, Error error);                          // the n-th call of the port from now on, 1: the next
  int calls() const;
  void put(std::string_view group, pid_t pid);                 // moves it there, as clone3 or cgroup.procs do
  void leave(pid_t pid);                                       // it has ended
  bool frozen(std::string_view group) const;
  LimitsSpec limits(std::string_view group) const;
  void set_usage(std::string_view group, CgroupUsage usage);
  std::function<void(pid_t)> on_kill;                          // told of each process that kill() ends, after the call's work

  std::vector<CgroupController> controllers() override;
  void create(std::string_view group) override;
  void rename(std::string_view from, std::string_view to) override;
  bool remove(std::string_view group) override;
  std::vector<std::string> groups() override;
  CgroupPlacement placement(std::string_view group) override;
  std::vector<pid_t> processes(std::string_view group) override;
  void set_frozen(std::string_view group, bool frozen) override;
  void kill(std::string_view group) override;
  CgroupUsage usage(std::string_view group) override;
  void set_limits(std::string_view group, const LimitsSpec&) override;
  std::string path(std::string_view group) override;
  bool needs_attach() override;

 private:
  struct Group {
    std::set<pid_t> processes;
    bool frozen = false;
    LimitsSpec limits;
    CgroupUsage usage;
  };
  void count_call();
  Group& find(std::string_view group);
  const Group& find(std::string_view group) const { return const_cast<FakeCgroupTree*>(this)->find(group); }

  Host host_;
  mutable std::mutex mutex_;
  std::map<std::string, Group, std::less<>> groups_;
  std::map<int, Error> failures_;                              // by number of the call
  int calls_ = 0;
};

}  // namespace sovirt
