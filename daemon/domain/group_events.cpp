#include "daemon/domain/group_events.hpp"

#include <unistd.h>

#include "api/cgroup.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/lifecycle.hpp"

namespace sovirt {
namespace {

const Actor& the_kernel() {
  static const Actor actor{0, ::getpid(), "kernel"};
  return actor;
}

Json processes_json(const std::vector<KilledProcess>& processes) {
  Json list = Json::array();
  for (const KilledProcess& one : processes) list.push_back({{"pid", one.pid}, {"name", one.name}});
  return list;
}

std::string names_of(const std::vector<KilledProcess>& processes) {
  std::string all;
  for (const KilledProcess& one : processes) all += (all.empty() ? "" : ", ") + one.name + " (" + std::to_string(one.pid) + ")";
  return all;
}

}  // namespace

GroupWish container_wish(const Json& limits) {
  static const Json none = write_limits({});
  GroupWish wish{limits != none, true, {}};
  if (wish.files) wish.pressure = read_limits(limits).pressure;
  return wish;
}

void bring_limits(CgroupTree& tree, Catalog& catalog, const std::string& uid, const std::string& group, const LimitsSpec& limits, Scratch& scratch) {
  const LimitsOutcome outcome = tree.set_limits(group, limits);
  const EntryPtr entry = catalog.find_uid(uid);
  if (!entry) return;   // it is being made
  catalog.clear_condition(uid, "OutOfMemory");   // of limits that are no more
  if (outcome.freed == 0 && outcome.killed.empty()) {
    catalog.clear_condition(uid, "MemoryLowered");
    return;
  }
  const bool killed = !outcome.killed.empty();
  const std::string freed = std::to_string(outcome.freed) + " bytes were given back";
  catalog.set_condition(uid, {"MemoryLowered", true, killed ? "Killed" : "Reclaimed", killed ? "killed: " + names_of(outcome.killed) + "; " + freed : freed, {}});
  scratch.events.push_back(make_event("memory-lowered", entry->resource, {{"freed_bytes", outcome.freed}, {"killed", processes_json(outcome.killed)}}, the_kernel()));
}

void GroupEvents::start(Notice& notice) {
  listening_ = kernel_.group_watch.listen([this, &notice](const GroupEvent& event) {
    try {
      happened(event, notice);
    } catch (const std::exception& error) {
      log_.warning("what happened in a group is lost", {{"uid", event.key}, {"detail", error.what()}});
    }
  });
  for (const EntryPtr& cgroup : catalog_.all(Kind::cgroup)) attend(cgroup->resource.uid);
  for (const EntryPtr& container : catalog_.all(Kind::container))
    if (container->runtime.alive()) attend(container->resource.uid);
}

void GroupEvents::attend(const std::string& uid) {
  const EntryPtr entry = catalog_.find_uid(uid);
  if (!entry) return;
  const Resource& resource = entry->resource;
  if (resource.kind == Kind::cgroup)
    kernel_.group_watch.watch(cgroups_.group(resource), uid, {true, false, read_cgroup_spec(resource.spec).limits.pressure});
  else if (resource.kind == Kind::container)
    kernel_.group_watch.watch(container_group(resource.name, uid), uid, container_wish(resource.spec.at("limits")));
}

void GroupEvents::happened(const GroupEvent& event, Notice& notice) {
  const EntryPtr entry = catalog_.find_uid(event.key);
  if (!entry) return kernel_.group_watch.forget(event.key);   // it was deleted
  if (event.what == GroupEvent::What::out_of_memory) return out_of_memory(*entry, event);
  if (event.what == GroupEvent::What::pressure) return commit("pressure", *entry, write_trigger(event.trigger));
  if (entry->resource.kind == Kind::cgroup || entry->runtime.alive()) notice.look_at(event.key);
}

void GroupEvents::out_of_memory(const Entry& entry, const GroupEvent& event) {
  const Json limit = entry.resource.kind == Kind::cgroup ? entry.resource.spec.at("memory").at("max") : entry.resource.spec.at("limits").at("memory").at("max");
  const std::uint64_t unknown = event.kills - std::min<std::uint64_t>(event.kills, event.victims.size());
  std::string message = "the kernel killed " + names_of(event.victims);
  if (unknown > 0) message += (event.victims.empty() ? "" : " and ") + std::to_string(unknown) + " process(es) that it did not name";
  catalog_.set_condition(entry.resource.uid, {"OutOfMemory", true, "ProcessKilled", message, {}});
  commit("out-of-memory", entry, {{"kills", event.kills}, {"processes", processes_json(event.victims)}, {"unknown", unknown}, {"limit", limit}});
}

void GroupEvents::commit(std::string type, const Entry& entry, Json data) {
  Commit commit;
  commit.actor = the_kernel();
  commit.events.push_back(make_event(std::move(type), entry.resource, std::move(data), the_kernel()));
  executor_.commit(std::move(commit));
}

}  // namespace sovirt
