#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/cgroup_members.hpp"
#include "daemon/domain/ports/cgroup_meters.hpp"
#include "daemon/domain/ports/cgroup_tree.hpp"

namespace sovirt {

// A host's cgroups as a table. What it does not do: account CPU time (it grows only by set_usage) and signal processes
// (kill() empties the group). The contract suite holds it to what the kernel's tree does. Thread-safe.
class FakeCgroupTree final : public CgroupTree, public CgroupMeters, public CgroupMembers {
 public:
  struct Host {
    bool v1 = true;                                            // false: pure v2, no rename, no attaching
    std::set<std::string> controllers{"cpu", "cpuacct", "cpuset", "memory", "pids", "io", "freezer"};
    std::string cpus = "0-1";
  };
  FakeCgroupTree() : FakeCgroupTree(Host{}) {}
  explicit FakeCgroupTree(Host host) : host_(std::move(host)) {}

  // For tests.
  void fail_call(int n, Error error);                          // the n-th call of the port from now on, 1: the next
  int calls() const;
  void put(std::string_view group, pid_t pid);                 // moves it there, as clone3 or cgroup.procs do
  void leave(pid_t pid);                                       // it has ended
  LimitsSpec limits(std::string_view group) const;
  void forget(std::string_view group);                         // somebody else removed it
  std::optional<std::vector<DeviceRule>> devices(std::string_view group) const;   // nullopt: never set
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
  LimitsOutcome set_limits(std::string_view group, const LimitsSpec&) override;
  void set_devices(std::string_view group, const std::vector<DeviceRule>&) override;
  std::string path(std::string_view group) override;
  bool needs_attach() override;

  void check(const LimitsSpec&) override;
  GroupState compare(std::string_view group, const LimitsSpec&) override;
  bool frozen(std::string_view group) override;
  Json controllers(std::string_view group, const LimitsSpec& asked, bool everything) override;
  Json stats(std::string_view group) override;

  std::vector<GroupProcess> describe(const std::vector<pid_t>&) override;
  std::string group_of(pid_t pid) override;
  std::vector<pid_t> attach(std::string_view group, pid_t pid, bool descendants) override;
  void release(pid_t pid) override;
  ProcessId run(std::string_view group, const CgroupCommand&) override;   // a process that only this table knows

 private:
  struct Group {
    std::set<pid_t> processes;
    bool frozen = false;
    LimitsSpec limits;
    std::optional<std::vector<DeviceRule>> devices;
    CgroupUsage usage;
  };
  void count_call();
  void check_support(const LimitsSpec&) const;
  LimitsOutcome make_room(Group&, const LimitsSpec&);
  std::string holder_of(pid_t pid) const;
  Group& find(std::string_view group);
  const Group& find(std::string_view group) const { return const_cast<FakeCgroupTree*>(this)->find(group); }

  Host host_;
  mutable std::mutex mutex_;
  std::map<std::string, Group, std::less<>> groups_;
  std::map<int, Error> failures_;                              // by number of the call
  std::map<pid_t, std::vector<std::string>> commands_;         // of those that run() has made
  int calls_ = 0;
};

}  // namespace sovirt
