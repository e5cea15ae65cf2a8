#include "tests/fakes/cgroup/fake_cgroup_tree.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "api/cpu_list.hpp"
#include "daemon/kernel/cgroup/descendants.hpp"
#include "daemon/kernel/cgroup/kernel_cgroup_tree.hpp"
#include "daemon/kernel/cgroup/limits.hpp"

namespace sovirt {
namespace {

unique_fd open_or_throw(const char* path, int flags) {
  unique_fd fd{::open(path, flags | O_CLOEXEC)};
  if (!fd) throw errno_error("open", path);
  return fd;
}

// Without what no file of a group holds.
LimitsSpec in_files(LimitsSpec limits) {
  limits.kill_excess = false;
  limits.pressure.clear();
  return limits;
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

void FakeCgroupTree::forget(std::string_view group) {
  const std::scoped_lock lock{mutex_};
  std::erase_if(groups_, [&](const auto& one) { return one.first == group || one.first.starts_with(std::string{group} + "/"); });
}

std::optional<std::vector<DeviceRule>> FakeCgroupTree::devices(std::string_view group) const {
  const std::scoped_lock lock{mutex_};
  return find(group).devices;
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
  if (const auto slash = group.rfind('/'); slash != std::string_view::npos) find(group.substr(0, slash));
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
  const auto below = [&](const std::string& name) { return name == group || name.starts_with(std::string{group} + "/"); };
  for (const auto& [name, one] : groups_)
    if (below(name) && !one.processes.empty()) throw Error{Code::conflict, "cgroup " + std::string{group} + " still has processes"};
  std::erase_if(groups_, [&](const auto& one) { return below(one.first); });
  return true;
}

std::vector<std::string> FakeCgroupTree::groups() {
  const std::scoped_lock lock{mutex_};
  count_call();
  std::vector<std::string> names;
  for (const auto& [name, group] : groups_)
    if (name.find('/') == std::string::npos) names.push_back(name);
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
  std::set<pid_t> pids;
  for (const auto& [name, one] : groups_)
    if (name == group || name.starts_with(std::string{group} + "/")) pids.insert(one.processes.begin(), one.processes.end());
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
    find(group).frozen = false;
    for (auto& [name, one] : groups_)
      if (name == group || name.starts_with(std::string{group} + "/")) killed.merge(one.processes), one.processes.clear();
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

// As the kernel's: what is used (by set_usage) cannot be reclaimed here.
LimitsOutcome FakeCgroupTree::make_room(Group& group, const LimitsSpec& limits) {
  LimitsOutcome outcome;
  const auto used = group.usage.memory_bytes;
  if (!limits.memory_max || !used || *used <= *limits.memory_max) return outcome;
  if (!limits.kill_excess || group.processes.empty())
    throw Error{Code::conflict, "the group uses more"}.with_fields({{"/memory/max", "in-use", "the processes use more"}});
  const pid_t victim = *group.processes.begin();
  group.processes.erase(victim);
  if (on_kill) on_kill(victim);
  outcome.killed.push_back({victim, "process"});
  outcome.freed = *used;
  group.usage.memory_bytes = 0;
  return outcome;
}

LimitsOutcome FakeCgroupTree::set_limits(std::string_view group, const LimitsSpec& limits) {
  const std::scoped_lock lock{mutex_};
  count_call();
  Group& found = find(group);
  check_support(limits);
  LimitsOutcome outcome = make_room(found, limits);
  found.limits = in_files(limits);
  return outcome;
}

void FakeCgroupTree::set_devices(std::string_view group, const std::vector<DeviceRule>& rules) {
  const std::scoped_lock lock{mutex_};
  count_call();
  find(group).devices = rules;
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

// The same tables as the kernel's, so that what is asked of a controller that is missing is refused alike.
void FakeCgroupTree::check_support(const LimitsSpec& limits) const {
  const int version = host_.v1 ? 1 : 2;
  for (const LimitWrite& write : limit_writes(limits, {version, version, version, version, version}))
    if (write.part == LimitWrite::Part::asked && !host_.controllers.contains(write.controller))
      throw Error{Code::unsupported, "this host has no usable " + write.controller + " controller"}.with_fields(
          {{write.field, "unsupported", "no such controller"}});
  if (!limits.io_limits.empty() && !host_.controllers.contains("io")) throw Error{Code::unsupported, "this host has no usable io controller"};
}

void FakeCgroupTree::check(const LimitsSpec& limits) {
  const std::scoped_lock lock{mutex_};
  count_call();
  if (limits.cpuset_cpus) {
    const auto there = parse_cpu_list(host_.cpus).value(), wanted = parse_cpu_list(*limits.cpuset_cpus).value();
    if (!std::includes(there.begin(), there.end(), wanted.begin(), wanted.end()))
      throw Error{Code::invalid, "this host has cpus " + host_.cpus}.with_fields({{"/cpuset/cpus", "range", "not all of them are there"}});
  }
  check_support(limits);
}

GroupState FakeCgroupTree::compare(std::string_view group, const LimitsSpec& limits) {
  const std::scoped_lock lock{mutex_};
  count_call();
  check_group_name(group);
  if (!groups_.contains(group)) return GroupState::absent;
  return find(group).limits == in_files(limits) ? GroupState::same : GroupState::differs;
}

bool FakeCgroupTree::frozen(std::string_view group) {
  const std::scoped_lock lock{mutex_};
  count_call();
  return find(group).frozen;
}

Json FakeCgroupTree::controllers(std::string_view group, const LimitsSpec& asked, bool everything) {
  const std::scoped_lock lock{mutex_};
  count_call();
  check_group_name(group);
  Json all = Json::object();
  if (!groups_.contains(group)) return all;
  const Group& found = find(group);
  const Json requested = write_limits(asked), effective = write_limits(found.limits);
  for (const auto& [controller, limits] : requested.items()) {
    if (!host_.controllers.contains(controller)) continue;
    const std::string path = "/sys/fs/cgroup/sovirt-fake/" + std::string{group};
    for (const auto& [name, value] : limits.items()) {
      if (name == "on_excess" || (!everything && (value.is_null() || value.empty()))) continue;
      Json& one = all[controller];
      if (one.is_null()) one = {{"version", host_.v1 ? 1 : 2}, {"path", path}, {"limits", Json::object()}};
      one["limits"][name] = {{"requested", value}, {"effective", effective.at(controller).at(name)}, {"file", path + "/" + controller + "." + name}};
    }
  }
  if (everything)
    all["freezer"] = {{"version", host_.v1 ? 1 : 2}, {"path", ""}, {"limits", {{"frozen", {{"requested", nullptr}, {"effective", found.frozen}, {"file", ""}}}}}};
  return all;
}

Json FakeCgroupTree::stats(std::string_view group) {
  const std::scoped_lock lock{mutex_};
  count_call();
  const Group& found = find(group);
  return {{"cpu", {{"usage_ns", found.usage.cpu_ns.value_or(0)}}},
          {"memory", {{"bytes", found.usage.memory_bytes.value_or(0)}}},
          {"pids", {{"current", found.processes.size()}}},
          {"io", Json::object()},
          {"pressure", Json::object()}};
}

std::vector<GroupProcess> FakeCgroupTree::describe(const std::vector<pid_t>& pids) {
  const std::scoped_lock lock{mutex_};
  count_call();
  std::vector<GroupProcess> all;
  for (const pid_t pid : pids) {
    const auto command = commands_.find(pid);
    all.push_back({{pid, 1}, "process", command == commands_.end() ? std::vector<std::string>{} : command->second, 0});
  }
  return all;
}

std::string FakeCgroupTree::holder_of(pid_t pid) const {
  for (const auto& [name, group] : groups_)
    if (group.processes.contains(pid)) return name;
  return "";
}

std::string FakeCgroupTree::group_of(pid_t pid) {
  const std::scoped_lock lock{mutex_};
  count_call();
  return holder_of(pid);
}

std::vector<pid_t> FakeCgroupTree::attach(std::string_view group, pid_t pid, bool descendants) {
  {
    const std::scoped_lock lock{mutex_};
    count_call();
    find(group);
    if (!process_facts(pid)) throw Error{Code::not_found, "there is no process " + std::to_string(pid)};
    if (pid == ::getpid()) throw Error{Code::conflict, "sovirtd itself cannot be moved"};
  }
  const std::set<pid_t> moved = descendants ? Family{pid}.look() : std::set<pid_t>{pid};
  for (const pid_t one : moved) put(group, one);
  return {moved.begin(), moved.end()};
}

void FakeCgroupTree::release(pid_t pid) {
  {
    const std::scoped_lock lock{mutex_};
    count_call();
  }
  leave(pid);
}

ProcessId FakeCgroupTree::run(std::string_view group, const CgroupCommand& command) {
  const std::scoped_lock lock{mutex_};
  count_call();
  Group& found = find(group);
  const pid_t pid = 4'000'000 + static_cast<pid_t>(commands_.size());
  found.processes.insert(pid);
  commands_[pid] = command.command;
  return {pid, 1};
}

}  // namespace sovirt
