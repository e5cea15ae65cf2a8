#include "tests/fakes/cgroup/fake_cgroup_tree.hpp"

#include <fcntl.h>

#include "daemon/kernel/cgroup/kernel_cgroup_tree.hpp"

namespace sovirt {
namespace {

unique_fd open_or_throw(const char* path, int flags) {
  unique_fd fd{::open(path, flags | O_CLOEXEC)};
  if (!fd) throw errno_error("open", path);
  return fd;
}

}  // namespace

void FakeCgroupTree::fail_call(int n, Error error) {
  const std::scoped_lock lock{mutex_};
  failures_.insert_or_assign(calls_ + n, std::move(error));
}

int FakeCgroupTree::calls() const {
  const std::scoped_lock lock{mutex_};
  return calls_;
}

void FakeCgroupTree::count_call() {
  const auto failure = failures_.find(++calls_);
  if (failure == failures_.end()) return;
  Error error = failure->second;
  failures_.erase(failure);
  throw error;
}

FakeCgroupTree::Group& FakeCgroupTree::find(std::string_view group) {
  check_group_name(group);
  const auto found = groups_.find(group);
  if (found == groups_.end()) throw Error{Code::not_found, "there is no cgroup " + std::string{group}};
  return found->second;
}

void FakeCgroupTree::put(std::string_view group, pid_t pid) {
  leave(pid);
  const std::scoped_lock lock{mutex_};
  find(group).processes.insert(pid);
}

void FakeCgroupTree::leave(pid_t pid) {
  const std::scoped_lock lock{mutex_};
  for (auto& [name, group] : groups_) group.processes.erase(pid);
}

bool FakeCgroupTree::frozen(std::string_view group) const {
  const std::scoped_lock lock{mutex_};
  return find(group).frozen;
}

LimitsSpec FakeCgroupTree::limits(std::string_view group) const {
  const std::scoped_lock lock{mutex_};
  return find(group).limits;
}

void FakeCgroupTree::set_usage(std::string_view group, CgroupUsage usage) {
  const std::scoped_lock lock{mutex_};
  find(group).usage = usage;
}

std::vector<CgroupController> FakeCgroupTree::controllers() {
  const std::scoped_lock lock{mutex_};
  count_call();
  std::vector<CgroupController> all;
  for (const std::string& name : host_.controllers)
    all.push_back({name, host_.v1 ? 1 : 2, host_.v1 ? "/sys/fs/cgroup/" + name : "/sys/fs/cgroup", true});
  return all;
}

void FakeCgroupTree::create(std::string_view group) {
  const std::scoped_lock lock{mutex_};
  count_call();
  check_group_name(group);
  groups_.try_emplace(std::string{group});
}

void FakeCgroupTree::rename(std::string_view from, std::string_view to) {
  const std::scoped_lock lock{mutex_};
  count_call();
  check_group_name(from);
  check_group_name(to);
  if (!host_.v1) throw Error{Code::unsupported, "groups of cgroup v2 cannot be renamed"};
  if (groups_.contains(from) && groups_.contains(to))
    throw Error{Code::exists, "there is a cgroup " + std::string{to} + " already"};
  if (!groups_.contains(from) && groups_.contains(to)) return;
  auto node = groups_.extract(groups_.find((find(from), from)));
  node.key() = to;
  groups_.insert(std::move(node));
}

bool FakeCgroupTree::remove(std::string_view group) {
  const std::scoped_lock lock{mutex_};
  count_call();
  check_group_name(group);
  const auto found = groups_.find(group);
  if (found == groups_.end()) return false;
  if (!found->second.processes.empty())
    throw Error{Code::conflict, "cgroup " + std::string{group} + " still has processes"};
  groups_.erase(found);
  return true;
}

std::vector<std::string> FakeCgroupTree::groups() {
  const std::scoped_lock lock{mutex_};
  count_call();
  std::vector<std::string> names;
  for (const auto& [name, group] : groups_) names.push_back(name);
  return names;
}

// Descriptors that can be inherited and written to, and put nothing anywhere: a test says put().
CgroupPlacement FakeCgroupTree::placement(std::string_view group) {
  const std::scoped_lock lock{mutex_};
  count_call();
  find(group);
  CgroupPlacement out;
  if (host_.v1)
    out.procs_v1.push_back(open_or_throw("/dev/null", O_WRONLY));
  else
    out.directory_v2 = open_or_throw("/", O_PATH | O_DIRECTORY);
  return out;
}

std::vector<pid_t> FakeCgroupTree::processes(std::string_view group) {
  const std::scoped_lock lock{mutex_};
  count_call();
  check_group_name(group);
  if (!groups_.contains(group)) return {};
  const auto& pids = find(group).processes;
  return {pids.begin(), pids.end()};
}

void FakeCgroupTree::set_frozen(std::string_view group, bool frozen) {
  const std::scoped_lock lock{mutex_};
  count_call();
  find(group).frozen = frozen;
}

void FakeCgroupTree::kill(std::string_view group) {
  std::set<pid_t> killed;
  {
    const std::scoped_lock lock{mutex_};
    count_call();
    check_group_name(group);
    if (!groups_.contains(group)) return;
    Group& found = find(group);
    killed.swap(found.processes);
    found.frozen = false;
  }
  if (on_kill)
    for (const pid_t pid : killed) on_kill(pid);
}

CgroupUsage FakeCgroupTree::usage(std::string_view group) {
  const std::scoped_lock lock{mutex_};
  count_call();
  const Group& found = find(group);
  CgroupUsage out = found.usage;
  if (!out.cpu_ns) out.cpu_ns = 0;
  if (host_.controllers.contains("memory")) {
    out.memory_bytes = out.memory_bytes.value_or(0);
    out.memory_max_bytes = found.limits.memory_max;
  }
  if (host_.controllers.contains("pids")) out.pids = found.processes.size();
  return out;
}

void FakeCgroupTree::set_limits(std::string_view group, const LimitsSpec& limits) {
  const std::scoped_lock lock{mutex_};
  count_call();
  Group& found = find(group);
  const auto need = [&](bool asked, const std::string& controller) {
    if (asked && !host_.controllers.contains(controller))
      throw Error{Code::unsupported, "this host has no usable " + controller + " controller"};
  };
  need(limits.memory_max.has_value(), "memory");
  need(limits.pids_max.has_value(), "pids");
  need(limits.cpu_weight.has_value() || limits.cpu_quota_us.has_value(), "cpu");
  found.limits = limits;
}

std::string FakeCgroupTree::path(std::string_view group) {
  const std::scoped_lock lock{mutex_};
  count_call();
  check_group_name(group);
  return "/sovirt-fake/" + std::string{group};
}

bool FakeCgroupTree::needs_attach() {
  const std::scoped_lock lock{mutex_};
  count_call();
  return host_.v1;
}

}  // namespace sovirt
