// Snapshots of containers: names of layer chains.
#include <algorithm>

#include "daemon/domain/copies.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/lifecycle.hpp"

namespace sovirt {
namespace {

Snapshot find(const std::vector<Snapshot>& all, std::string_view name, const std::string& container) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Snapshot& one) { return one.name == name; });
  if (found == all.end())
    throw Error{Code::not_found, container + " has no snapshot named " + std::string{name}}.with_hint(
        "`sovirtctl snapshot ls " + container + "` lists them");
  return *found;
}

void check_new(const Resource& container, const std::string& name) {
  for (const Snapshot& one : snapshots_of(container))
    if (one.name == name)
      throw Error{Code::exists, container.name + " has a snapshot named " + name + " already"}
          .with_conflicts({object_ref(Kind::container, container.name)})
          .with_fields({{"/name", "exists", "a snapshot has this name"}});
}

void check_snapshot_name(std::string_view name) { check_name(Kind::container, name); }

// A change of the layers alone: nothing new is asked of the container, so no new revision.
Job facts_job(const Entry& entry, Json facts, Event event) {
  Job job;
  job.object = object_ref(Kind::container, entry.resource.name);
  job.uid = entry.resource.uid;
  job.commit.facts[entry.resource.uid] = std::move(facts);
  job.commit.events.push_back(std::move(event));
  return job;
}

}  // namespace

Job Copies::snapshot_job(const Entry& source, const std::string& name, const Actor& actor) const {
  Plan plan;
  const Frozen frozen = freeze(source, plan);
  std::vector<Snapshot> all = snapshots_of(source.resource);
  all.push_back({name, rfc3339(now()), snapshot_head(source.resource), frozen.copy});
  Json facts = source.resource.facts;
  set_layers(facts, frozen.source);
  set_snapshots(facts, all, name);
  Job job = facts_job(source, std::move(facts), make_event("snapshotted", source.resource, {{"snapshot", name}}, actor));
  job.plan = std::move(plan);
  job.commit.actor = actor;
  return job;
}

ChangeResult Copies::snapshot(std::string_view container, const std::string& name, const ChangeContext& context) {
  check_snapshot_name(name);
  const auto guard = parts_.locks.lock({object_ref(Kind::container, container)});
  EntryPtr source = need(container, context);
  check_new(source->resource, name);
  if (!context.dry_run && layers_of(source->resource).size() >= Layers::most) {
    merge(source->resource.uid, context.actor);
    source = need(container, context);
  }
  Job job = snapshot_job(*source, name, context.actor);
  if (context.dry_run) return {show_plan(job.plan, job.object, "snapshot"), 0, false, ""};
  if (source->runtime.alive()) {
    ChangeResult result;
    result.operation = begin("container.snapshot", job.object, context.actor,
                             [=, this, uid = source->resource.uid](std::stop_token stop, const auto& progress) {
                               return run_snapshot(uid, name, context.actor, stop, progress);
                             });
    result.body = write_operation(parts_.operations.get(result.operation));
    return result;
  }
  parts_.executor.run(job);
  const EntryPtr after = parts_.catalog.need(Kind::container, container);
  return {show(after->resource, find(snapshots_of(after->resource), name, after->resource.name)), 0, true, ""};
}

Json Copies::run_snapshot(const std::string& source_uid, const std::string& name, const Actor& actor, std::stop_token stop,
                          const std::function<void(Progress)>& progress) {
  const EntryPtr known = parts_.catalog.find_uid(source_uid);
  if (!known) throw Error{Code::not_found, "the container is gone"};
  const auto guard = parts_.locks.lock({object_ref(Kind::container, known->resource.name)});
  const EntryPtr source = parts_.catalog.find_uid(source_uid);
  if (!source) throw Error{Code::not_found, "the container is gone"};
  check_new(source->resource, name);
  Job job = snapshot_job(*source, name, actor);
  job.scratch.stop = std::move(stop);
  job.scratch.copied = [&](std::uint64_t bytes) { progress({50, "copied " + std::to_string(bytes >> 20) + " MiB"}); };
  parts_.executor.run(job);
  const EntryPtr after = parts_.catalog.find_uid(source_uid);
  return show(after->resource, find(snapshots_of(after->resource), name, after->resource.name));
}

ChangeResult Copies::restore(std::string_view container, const std::string& name, const ChangeContext& context) {
  const auto guard = parts_.locks.lock({object_ref(Kind::container, container)});
  const EntryPtr before = need(container, context);
  const Snapshot wanted = find(snapshots_of(before->resource), name, before->resource.name);
  if (before->runtime.alive())
    throw Error{Code::conflict, object_ref(Kind::container, container) + " is " + before->runtime.state}.with_hint("stop it first");
  if (!context.dry_run) parts_.containers.end_mounts(before->resource.uid);
  Resource after = before->resource;
  set_layers(after.facts, wanted.layers);
  set_snapshots(after.facts, snapshots_of(after), wanted.name);
  const std::string aside = parts_.places.state_dir + "/tmp/remove-" + random_id(12);
  Job job = facts_job(*before, after.facts, make_event("restored", before->resource, {{"snapshot", name}}, context.actor));
  job.plan.add("layer.reset", {{"directory", parts_.layers.directory(after.uid)}, {"below", parts_.layers.below(after)}, {"aside", aside}},
               "put aside what " + after.name + " has written since", true);
  job.commit.actor = context.actor;
  if (context.dry_run) return {show_plan(job.plan, job.object, "restore"), 0, false, ""};
  parts_.executor.run(job);
  parts_.kernel.roots.remove(aside);
  parts_.layers.release(layers_of(before->resource));
  const EntryPtr entry = parts_.catalog.need(Kind::container, container);
  return {parts_.document(*entry), entry->resource.revision, false, ""};
}

std::uint64_t Copies::own_size(const Resource& container, const Snapshot& snapshot) {
  std::vector<std::string> below;
  for (const Snapshot& one : snapshots_of(container))
    if (one.name == snapshot.parent) below = one.layers;
  std::uint64_t size = 0;
  for (const std::string& id : snapshot.layers) {
    if (std::find(below.begin(), below.end(), id) != below.end()) continue;
    const std::lock_guard lock(sizes_mutex_);
    const auto known = sizes_.find(id);
    size += known != sizes_.end() ? known->second : sizes_[id] = parts_.kernel.layers.size(parts_.layers.path(id));
  }
  return size;
}

Json Copies::show(const Resource& container, const Snapshot& one) {
  return {{"name", one.name},
          {"created_at", one.created_at},
          {"parent", one.parent.empty() ? Json() : Json(one.parent)},
          {"current", one.name == snapshot_head(container)},
          {"size", own_size(container, one)}};
}

Json Copies::snapshots(std::string_view container) {
  const EntryPtr entry = parts_.catalog.need(Kind::container, container);
  Json items = Json::array();
  for (const Snapshot& one : snapshots_of(entry->resource)) items.push_back(show(entry->resource, one));
  return {{"items", std::move(items)}, {"next", nullptr}, {"seq", parts_.catalog.last_event()}};
}

ChangeResult Copies::remove_snapshot(std::string_view container, std::string_view name, const ChangeContext& context) {
  const auto guard = parts_.locks.lock({object_ref(Kind::container, container)});
  const EntryPtr before = need(container, context);
  std::vector<Snapshot> all = snapshots_of(before->resource);
  const Snapshot gone = find(all, name, before->resource.name);
  std::erase_if(all, [&](const Snapshot& one) { return one.name == gone.name; });
  for (Snapshot& one : all)
    if (one.parent == gone.name) one.parent = gone.parent;
  const std::string head = snapshot_head(before->resource);
  Json facts = before->resource.facts;
  set_snapshots(facts, all, head == gone.name ? gone.parent : head);
  Job job = facts_job(*before, std::move(facts), make_event("snapshot-deleted", before->resource, {{"snapshot", gone.name}}, context.actor));
  job.commit.actor = context.actor;
  if (context.dry_run) return {show_plan(job.plan, job.object, "delete snapshot"), 0, false, ""};
  parts_.executor.run(job);
  parts_.layers.release(gone.layers);
  merge(before->resource.uid, context.actor);
  return {nullptr, 0, false, ""};
}

// Neighbours that everybody who names the lower one names together: nobody can want to see the lower one alone. Only where
// they are this container's own, since another's may be mounted.
std::vector<std::pair<std::string, std::string>> Copies::mergeable(const Resource& container) const {
  std::map<std::string, std::vector<std::string>> above;   // layer -> what lies directly on it, "" for its being a top
  std::map<std::string, bool> foreign;
  for (const EntryPtr& other : parts_.catalog.all(Kind::container)) {
    std::vector<std::vector<std::string>> chains{layers_of(other->resource)};
    for (const Snapshot& one : snapshots_of(other->resource)) chains.push_back(one.layers);
    for (const auto& chain : chains)
      for (std::size_t i = 0; i < chain.size(); ++i) {
        above[chain[i]].push_back(i == 0 ? "" : chain[i - 1]);
        if (other->resource.uid != container.uid) foreign[chain[i]] = true;
      }
  }
  std::vector<std::pair<std::string, std::string>> pairs;
  const auto chain = layers_of(container);
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    const auto& on = above[chain[i + 1]];
    const bool only = std::all_of(on.begin(), on.end(), [&](const std::string& one) { return one == chain[i]; });
    if (only && !foreign.contains(chain[i]) && !foreign.contains(chain[i + 1])) pairs.emplace_back(chain[i], chain[i + 1]);
  }
  return pairs;
}

// One pair after the other, each a change of its own: whatever ends it early, the container is whole.
void Copies::merge(const std::string& uid, const Actor& actor) {
  for (std::size_t round = 0; round < Layers::most; ++round) {
    const EntryPtr entry = parts_.catalog.find_uid(uid);
    if (!entry || entry->runtime.alive()) return;
    const auto pairs = mergeable(entry->resource);
    if (pairs.empty()) return;
    parts_.containers.end_mounts(uid);
    const auto& [upper, lower] = pairs.front();
    const std::string made = random_id(12);
    const auto replaced = [&, &high = upper, &low = lower](std::vector<std::string> chain) {
      std::erase(chain, low);
      std::replace(chain.begin(), chain.end(), high, made);
      return chain;
    };
    Json facts = entry->resource.facts;
    std::vector<Snapshot> all = snapshots_of(entry->resource);
    for (Snapshot& one : all) one.layers = replaced(one.layers);
    set_layers(facts, replaced(layers_of(entry->resource)));
    set_snapshots(facts, all, snapshot_head(entry->resource));
    Job job = facts_job(*entry, std::move(facts), {});
    job.commit.events.clear();   // nobody sees a difference
    job.plan.add("layer.merge", {{"upper", parts_.layers.path(upper)}, {"lower", parts_.layers.path(lower)}, {"into", parts_.layers.path(made)}},
                 "merge two layers of " + entry->resource.name);
    job.commit.actor = actor;
    parts_.executor.run(job);
    parts_.layers.release({upper, lower});
  }
}

}  // namespace sovirt
