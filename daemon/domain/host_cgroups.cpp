#include "daemon/domain/host_cgroups.hpp"

#include <algorithm>

#include "daemon/domain/ids.hpp"
#include "daemon/domain/lifecycle.hpp"
#include "daemon/domain/service.hpp"

namespace sovirt {

std::string HostCgroups::group_of(const Entry& entry) const {
  const Resource& resource = entry.resource;
  return resource.kind == Kind::container ? container_group(resource.name, resource.uid) : cgroups_.group(resource);
}

Json HostCgroups::show(const std::vector<pid_t>& pids) const {
  Json items = Json::array();
  for (const GroupProcess& process : kernel_.members.describe(pids))
    items.push_back({{"pid", process.id.pid}, {"name", process.name}, {"command", process.command}, {"uid", process.uid}});
  return {{"items", std::move(items)}};
}

void HostCgroups::tell(std::string type, const Entry& entry, Json data, const ChangeContext& context) {
  Commit commit;
  commit.actor = context.actor;
  commit.events.push_back(make_event(std::move(type), entry.resource, std::move(data), context.actor));
  executor_.commit(std::move(commit));
}

Json HostCgroups::processes(std::string_view name) {
  return show(cgroups_.processes(catalog_.need(Kind::cgroup, name)->resource));
}

// A container's processes stay in its group: its limits and its end depend on that.
void HostCgroups::check_foreign(pid_t pid) const {
  const std::string group = kernel_.members.group_of(pid);
  const std::string top = group.substr(0, group.find('/'));
  if (is_launcher_group(top)) throw Error{Code::conflict, "process " + std::to_string(pid) + " is sovirt's own"};
  for (const EntryPtr& container : catalog_.all(Kind::container)) {
    if (container_group(container->resource.name, container->resource.uid) != top) continue;
    const std::string ref = object_ref(Kind::container, container->resource.name);
    throw Error{Code::conflict, "process " + std::to_string(pid) + " belongs to " + ref}.with_conflicts({ref}).with_hint(
        "set limits of the container itself");
  }
}

Json HostCgroups::add_processes(std::string_view name, const ProcessesRequest& request, const ChangeContext& context) {
  const auto guard = locks_.lock({object_ref(Kind::cgroup, name)});
  const EntryPtr entry = catalog_.need(Kind::cgroup, name);
  const std::string group = cgroups_.group(entry->resource);
  if (request.pid == 0) {
    if (kernel_.meters.frozen(group))
      throw Error{Code::conflict, object_ref(Kind::cgroup, name) + " is frozen: nothing can start in it"}.with_hint("thaw it first");
    const ProcessId started = kernel_.members.run(group, {request.command, request.cpus, request.env, request.cwd});
    tell("process-started", *entry, {{"pid", started.pid}, {"command", request.command.front()}}, context);
    Json shown = show({started.pid});
    if (shown.at("items").empty())   // it has ended already
      shown["items"].push_back({{"pid", started.pid}, {"name", request.command.front()}, {"command", request.command}, {"uid", 0}});
    return shown;
  }
  check_foreign(request.pid);
  const auto moved = kernel_.members.attach(group, request.pid, request.descendants);
  tell("process-attached", *entry, {{"pid", request.pid}, {"processes", moved.size()}}, context);
  return show(moved);
}

void HostCgroups::release_process(std::string_view name, pid_t pid, const ChangeContext& context) {
  const auto guard = locks_.lock({object_ref(Kind::cgroup, name)});
  const EntryPtr entry = catalog_.need(Kind::cgroup, name);
  const auto pids = cgroups_.processes(entry->resource);
  if (std::find(pids.begin(), pids.end(), pid) == pids.end())
    throw Error{Code::not_found, object_ref(Kind::cgroup, name) + " has no process " + std::to_string(pid)};
  kernel_.members.release(pid);
  tell("process-released", *entry, {{"pid", pid}}, context);
}

void HostCgroups::kill_processes(std::string_view name, const ChangeContext& context) {
  const auto guard = locks_.lock({object_ref(Kind::cgroup, name)});
  const EntryPtr entry = catalog_.need(Kind::cgroup, name);
  const std::string group = cgroups_.group(entry->resource);
  const std::size_t count = kernel_.cgroups.processes(group).size();
  kernel_.cgroups.kill(group);
  // A kill thaws; what is asked to be frozen is frozen again.
  if (entry->resource.spec.at("frozen") == true) kernel_.cgroups.set_frozen(group, true);
  tell("killed", *entry, {{"processes", count}}, context);
}

Json HostCgroups::stats(Kind kind, std::string_view name) {
  const EntryPtr entry = catalog_.need(kind, name);
  const std::string ref = object_ref(kind, name);
  if (kind == Kind::container && !entry->runtime.alive())
    throw Error{Code::conflict, ref + " is " + entry->runtime.state + ", it uses nothing"}.with_hint("start it first");
  Json stats = kernel_.meters.stats(group_of(*entry));
  stats["at"] = rfc3339(now());
  return stats;
}

Json HostCgroups::all_stats() {
  Json items = Json::array();
  for (const Kind kind : {Kind::container, Kind::cgroup})
    for (const EntryPtr& entry : catalog_.all(kind)) {
      if (kind == Kind::container && !entry->runtime.alive()) continue;
      try {
        items.push_back({{"kind", kind_text(kind)}, {"name", entry->resource.name}, {"stats", kernel_.meters.stats(group_of(*entry))}});
      } catch (const Error& error) {
        if (error.code() != Code::not_found) throw;   // it ended a moment ago, or waits for its repair
      }
    }
  return {{"at", rfc3339(now())}, {"items", std::move(items)}};
}

}  // namespace sovirt
