#include "daemon/domain/cgroups.hpp"

#include <algorithm>
#include <set>

#include "api/cgroup.hpp"
#include "daemon/domain/group_events.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

constexpr int deepest = 7;   // parts of a group's name; CgroupTree takes eight

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json usage_json(const CgroupUsage& usage) {
  return {{"cpu_ns", or_null(usage.cpu_ns)},
          {"memory_bytes", or_null(usage.memory_bytes)},
          {"memory_max_bytes", or_null(usage.memory_max_bytes)},
          {"pids", or_null(usage.pids)}};
}

std::string pids_text(const std::vector<pid_t>& pids) {
  std::string all;
  for (std::size_t i = 0; i < pids.size() && i < 10; ++i) all += (i == 0 ? "" : ", ") + std::to_string(pids[i]);
  return pids.size() > 10 ? all + " and others" : all;
}

}  // namespace

std::string cgroup_directory(std::string_view name) { return std::string{name} + (is_launcher_group(name) ? ".group" : ""); }

std::string Cgroups::group(const Resource& cgroup) const {
  std::string path = cgroup_directory(cgroup.name);
  const Resource* at = &cgroup;
  EntryPtr parent;
  for (int depth = 1; at->spec.at("parent").is_string(); ++depth) {
    parent = catalog_.need(Kind::cgroup, text(at->spec, "parent"));
    at = &parent->resource;
    if (depth >= deepest) throw field_error("/parent", "depth", "cgroups lie in each other at most " + std::to_string(deepest) + " deep");
    path = cgroup_directory(at->name) + "/" + path;
  }
  return path;
}

void Cgroups::complete(Resource& wanted, const Resource* before) const {
  const CgroupSpec spec = read_cgroup_spec(wanted.spec);
  wanted.spec = write_cgroup_spec(spec);
  wanted.facts = before ? before->facts : Json::object();
  if (spec.parent && (*spec.parent == wanted.name || !catalog_.find(Kind::cgroup, *spec.parent)))
    throw Error{Code::not_found, "there is no cgroup named " + *spec.parent + " to lie in"}
        .with_fields({{"/parent", "not-found", "no such cgroup"}})
        .with_hint("`sovirtctl cgroup create` makes one");
}

std::vector<std::string> Cgroups::references(const Resource& cgroup) const {
  if (!cgroup.spec.at("parent").is_string()) return {};
  return {catalog_.need(Kind::cgroup, text(cgroup.spec, "parent"))->resource.uid};
}

std::vector<std::string> Cgroups::lock_keys(const Json& spec) const {
  if (!spec.is_object() || !spec.contains("parent") || !spec.at("parent").is_string()) return {};
  return {object_ref(Kind::cgroup, text(spec, "parent"))};
}

void Cgroups::check(const Resource& wanted, const Entry* before) const {
  if (before && before->resource.spec.at("parent") != wanted.spec.at("parent"))
    throw Error{Code::conflict, object_ref(Kind::cgroup, wanted.name) + ": /parent cannot change: the kernel moves processes, not groups"}
        .with_fields({{"/parent", "immutable", "a cgroup stays where it was made"}})
        .with_hint("create another one there and move its processes over");
  group(wanted);
  const LimitsSpec limits = read_cgroup_spec(wanted.spec).limits;
  if (!before || read_cgroup_spec(before->resource.spec).limits != limits) kernel_.meters.check(limits);
}

Plan Cgroups::plan(const Resource& wanted, const Entry* before) const {
  Plan plan;
  const CgroupSpec spec = read_cgroup_spec(wanted.spec);
  const std::string path = group(wanted);
  const auto found = kernel_.meters.compare(path, spec.limits);
  const std::string& name = wanted.name;
  const bool absent = found == GroupState::absent;
  // After a boot its turn may come before that of those it lies in; they get their limits when it is theirs.
  for (auto slash = path.find('/'); absent && slash != std::string::npos; slash = path.find('/', slash + 1))
    if (const std::string above = path.substr(0, slash); kernel_.meters.compare(above, {}) == GroupState::absent)
      plan.add("cgroup.create", {{"group", above}}, "create the cgroup " + above + " around it");
  if (absent) plan.add("cgroup.create", {{"group", path}}, "create cgroup " + name);
  const LimitsSpec from = before ? read_cgroup_spec(before->resource.spec).limits : LimitsSpec{};
  if (absent ? !spec.limits.empty() : found == GroupState::differs)
    plan.add("cgroup.limits", {{"uid", wanted.uid}, {"group", path}, {"from", write_limits(from)}, {"to", write_limits(spec.limits)}}, "set limits of cgroup " + name);
  if (spec.frozen != (!absent && kernel_.meters.frozen(path)))
    plan.add("cgroup.freeze", {{"group", path}, {"frozen", spec.frozen}}, (spec.frozen ? "freeze cgroup " : "thaw cgroup ") + name, spec.frozen);
  return plan;
}

Policy Cgroups::policy(const Resource& cgroup) const { return read_cgroup_spec(cgroup.spec).policy; }

std::vector<pid_t> Cgroups::processes(const Resource& cgroup) const {
  std::vector<pid_t> pids = kernel_.cgroups.processes(group(cgroup));
  for (const EntryPtr& other : catalog_.dependents(cgroup.uid)) {
    if (other->resource.kind != Kind::cgroup) continue;
    const auto inner = kernel_.cgroups.processes(group(other->resource));
    const std::set<pid_t> leave_out(inner.begin(), inner.end());
    std::erase_if(pids, [&](pid_t pid) { return leave_out.contains(pid); });
  }
  return pids;
}

// Cgroups that lie in it are told of first: with all dependents, by whoever removes.
void Cgroups::check_removal(const Entry& entry) const {
  if (!catalog_.dependents(entry.resource.uid).empty()) return;
  const auto pids = processes(entry.resource);
  if (pids.empty()) return;
  throw Error{Code::in_use, object_ref(Kind::cgroup, entry.resource.name) + " has processes: " + pids_text(pids)}.with_hint(
      "move them elsewhere, or end them all with `sovirtctl cgroup kill " + entry.resource.name + "`");
}

Plan Cgroups::plan_removal(const Resource& cgroup) const {
  Plan plan;
  plan.forward = true;
  plan.add("cgroup.remove", {{"uid", cgroup.uid}, {"group", group(cgroup)}}, "remove cgroup " + cgroup.name, true);
  return plan;
}

Json Cgroups::status(const Entry& entry) const {
  const CgroupSpec spec = read_cgroup_spec(entry.resource.spec);
  const std::string path = group(entry.resource);
  Json controllers = kernel_.meters.controllers(path, spec.limits, true);
  if (controllers.empty())
    return {{"state", "absent"}, {"path", kernel_.cgroups.path(path)}, {"controllers", std::move(controllers)}, {"processes", 0}, {"usage", nullptr}};
  bool frozen = false;
  if (controllers.contains("freezer")) {
    Json& row = controllers["freezer"]["limits"]["frozen"];
    row["requested"] = spec.frozen;
    frozen = row.at("effective") == true;
  }
  return {{"state", frozen ? "frozen" : "ready"},
          {"path", kernel_.cgroups.path(path)},
          {"controllers", std::move(controllers)},
          {"processes", processes(entry.resource).size()},
          {"usage", usage_json(kernel_.cgroups.usage(path))}};
}

ActionTable Cgroups::actions() {
  const auto nothing = [](const Json&, Scratch&) {};
  CgroupTree& tree = kernel_.cgroups;
  ActionTable table;
  table["cgroup.create"] = {[&tree](const Json& args, Scratch&) { tree.create(text(args, "group")); },
                            [&tree](const Json& args, Scratch&) { tree.remove(text(args, "group")); }};
  table["cgroup.limits"] = {
      [this](const Json& args, Scratch& scratch) {
        bring_limits(kernel_.cgroups, catalog_, args.value("uid", ""), text(args, "group"), read_limits(args.at("to")), scratch);
      },
      [&tree](const Json& args, Scratch&) { tree.set_limits(text(args, "group"), read_limits(args.at("from"))); }};
  table["cgroup.freeze"] = {
      [&tree](const Json& args, Scratch&) { tree.set_frozen(text(args, "group"), args.at("frozen").get<bool>()); },
      [&tree](const Json& args, Scratch&) { tree.set_frozen(text(args, "group"), !args.at("frozen").get<bool>()); }};
  table["cgroup.remove"] = {[this](const Json& args, Scratch&) {
                              kernel_.cgroups.remove(text(args, "group"));
                              kernel_.group_watch.forget(args.value("uid", ""));
                            },
                            nothing};
  return table;
}

}  // namespace sovirt
