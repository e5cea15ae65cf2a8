#include "daemon/domain/copies.hpp"

#include <algorithm>

#include "daemon/domain/free_addresses.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/lifecycle.hpp"
#include "daemon/domain/shared_identity.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

std::string size_words(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

EntryPtr Copies::need(std::string_view name, const ChangeContext& context) const {
  EntryPtr entry = parts_.catalog.need(Kind::container, name);
  if (context.if_match && *context.if_match != entry->resource.revision)
    throw Error{Code::precondition_failed, object_ref(Kind::container, name) + " is at revision " + std::to_string(entry->resource.revision)};
  return entry;
}

void Copies::check_free(const std::string& name) const {
  check_name(Kind::container, name);
  const std::string ref = object_ref(Kind::container, name);
  if (parts_.catalog.find(Kind::container, name))
    throw Error{Code::exists, ref + " exists already"}.with_conflicts({ref}).with_fields({{"/name", "exists", "a container has this name"}});
}

// Of a stopped container by a rename, of a running one by a copy: its overlay is mounted and would go on with the old one.
Copies::Frozen Copies::freeze(const Entry& source, Plan& plan) const {
  const Resource& container = source.resource;
  Frozen frozen;
  frozen.source = frozen.copy = layers_of(container);
  const std::string directory = parts_.layers.directory(container.uid);
  const bool alive = source.runtime.alive();
  if (!alive) parts_.containers.end_mounts(container.uid);
  if (!alive && parts_.kernel.layers.unchanged(directory, parts_.layers.below(container))) return frozen;
  if (frozen.copy.size() >= Layers::most)
    throw Error{Code::conflict, container.name + " stands on " + std::to_string(frozen.copy.size()) + " layers already"}.with_hint(
        "delete snapshots of it that are not needed, and stop it so that their layers can be merged");
  frozen.made = random_id(12);
  frozen.copy.insert(frozen.copy.begin(), frozen.made);
  if (alive) {
    plan.add("layer.copy",
             {{"source", directory + "/upper"}, {"layer", parts_.layers.path(frozen.made)}, {"thaw", source.runtime.state == "running"},
              {"group", container_group(container.name, container.uid)}},
             "freeze " + container.name + " and copy what it has written");
    return frozen;
  }
  frozen.source = frozen.copy;
  plan.add("layer.freeze", {{"directory", directory}, {"layer", parts_.layers.path(frozen.made)}},
           "make a layer of what " + container.name + " has written");
  return frozen;
}

Resource Copies::clone_of(const Entry& source, const CopyRequest& request) const {
  Resource clone;
  clone.kind = Kind::container;
  clone.name = request.name;
  clone.uid = new_uid(parts_.places.instance);
  clone.revision = 1;
  clone.created_at = clone.updated_at = now();
  clone.labels = source.resource.labels;
  ContainerSpec spec = read_container_spec(source.resource.spec);
  spec.hostname.reset();   // its own name then
  if (request.identity == Identity::regenerate) take_free_addresses(spec, parts_.catalog);
  clone.spec = write_container_spec(spec);
  // The image may have been built anew since: the copy stands on what its original stands on.
  Resource seed;
  seed.facts = {{"image_digest", source.resource.facts.at("image_digest")},
                {"image_directory", source.resource.facts.at("image_directory")},
                {"macs", Json::object()}};
  parts_.containers.complete(clone, &seed);
  settle_identity(clone, request.identity);
  return clone;
}

void Copies::settle_identity(Resource& clone, Identity identity) const {
  if (identity == Identity::keep) {
    std::vector<Claim> held;
    for (const Claim& claim : nic_claims(clone))
      if (parts_.catalog.holder(claim)) held.push_back(claim);
    set_shared_claims(clone.facts, held);
  }
  try {
    parts_.catalog.check_claims(parts_.containers.claims(clone), clone.uid);
  } catch (Error& error) {
    throw error.with_hint("identity \"regenerate\" takes a free address and a new MAC, \"keep\" copies both, and then only one of the two can run");
  }
}

Job Copies::copy_job(const Entry& source, const CopyRequest& request, const Actor& actor) const {
  Job job;
  Resource clone = clone_of(source, request);
  const Frozen frozen = freeze(source, job.plan);
  set_layers(clone.facts, frozen.copy);
  const RootfsLayers layers = parts_.layers.of(clone);
  const Json rootfs{{"lower", layers.lower}, {"layers", layers.layers}, {"directory", layers.directory}};
  job.plan.add("rootfs.create", rootfs, "make an overlay on the layers of " + source.resource.name + " for " + clone.name);
  job.plan.add("rootfs.identity", rootfs, "give " + clone.name + " a machine-id and host keys of its own");
  job.object = object_ref(Kind::container, clone.name);
  job.uid = clone.uid;
  job.commit.expected_revision = 0;
  job.commit.claims = parts_.containers.claims(clone);
  job.commit.references = source.references;
  job.commit.runtime.emplace();
  job.commit.runtime->uid = clone.uid;
  job.commit.actor = actor;
  if (frozen.source != layers_of(source.resource)) {
    Json facts = source.resource.facts;
    set_layers(facts, frozen.source);
    job.commit.facts[source.resource.uid] = std::move(facts);
  }
  job.commit.events.push_back(make_event("created", clone, {{"revision", 1}, {"copy_of", source.resource.name}}, actor));
  job.commit.put = std::move(clone);
  return job;
}

ChangeResult Copies::copy(std::string_view name, const CopyRequest& request, const ChangeContext& context) {
  const EntryPtr known = need(name, context);
  check_free(request.name);
  const auto guard = parts_.locks.lock({object_ref(Kind::container, name), object_ref(Kind::container, request.name),
                                        object_ref(Kind::image, known->resource.spec.at("image").get<std::string>())});
  const EntryPtr source = need(name, context);
  check_free(request.name);
  Job job = copy_job(*source, request, context.actor);
  if (context.dry_run) return {show_plan(job.plan, job.object, "create"), 0, false, ""};
  if (source->runtime.alive()) {
    ChangeResult result;
    result.created = true;
    result.operation = begin("container.copy", job.object, context.actor,
                             [=, this, uid = source->resource.uid](std::stop_token stop, const auto& progress) {
                               return run_copy(uid, request, context.actor, stop, progress);
                             });
    result.body = write_operation(parts_.operations.get(result.operation));
    return result;
  }
  parts_.executor.run(job);
  const EntryPtr made = parts_.catalog.need(Kind::container, request.name);
  return {parts_.document(*made), made->resource.revision, true, ""};
}

std::string Copies::begin(const char* kind, const std::string& object, const Actor& actor, Operations::Work work) {
  if (const std::string running = parts_.operations.running_on(object); !running.empty())
    throw Error{Code::busy, object + " is being made by operation " + running}.with_conflicts({"operation/" + running});
  return parts_.operations.start(kind, object, actor, std::move(work));
}

// Decided anew under the locks: since the request was answered anything may have happened.
Json Copies::run_copy(const std::string& source_uid, const CopyRequest& request, const Actor& actor, std::stop_token stop,
                      const std::function<void(Progress)>& progress) {
  const EntryPtr known = parts_.catalog.find_uid(source_uid);
  if (!known) throw Error{Code::not_found, "the container is gone"};
  const auto guard = parts_.locks.lock({object_ref(Kind::container, known->resource.name), object_ref(Kind::container, request.name)});
  const EntryPtr source = parts_.catalog.find_uid(source_uid);
  if (!source) throw Error{Code::not_found, "the container is gone"};
  check_free(request.name);
  Job job = copy_job(*source, request, actor);
  job.scratch.stop = std::move(stop);
  job.scratch.copied = [&](std::uint64_t bytes) { progress({50, "copied " + size_words(bytes)}); };
  parts_.executor.run(job);
  return parts_.document(*parts_.catalog.need(Kind::container, request.name));
}

Copies::Held Copies::hold(const std::string& uid, const Actor& actor, std::stop_token stop, const std::function<void(Progress)>& progress) {
  const EntryPtr known = parts_.catalog.find_uid(uid);
  if (!known) throw Error{Code::not_found, "the container is gone"};
  const auto guard = parts_.locks.lock({object_ref(Kind::container, known->resource.name)});
  const EntryPtr source = parts_.catalog.find_uid(uid);
  if (!source) throw Error{Code::not_found, "the container is gone"};
  Job job;
  const Frozen frozen = freeze(*source, job.plan);
  Held held;
  held.container = source->resource;
  held.image = parts_.images.pin(source->resource.facts.at("image_digest").get<std::string>());
  held.layers = parts_.layers.pin(frozen.copy);
  if (!job.plan.empty()) {
    job.object = object_ref(Kind::container, source->resource.name);
    job.uid = uid;
    job.commit.actor = actor;
    Json facts = source->resource.facts;
    set_layers(facts, frozen.source);
    job.commit.facts[uid] = std::move(facts);
    job.scratch.stop = std::move(stop);
    job.scratch.copied = [&](std::uint64_t bytes) { progress({5, "copied " + size_words(bytes)}); };
    parts_.executor.run(job);
  }
  RootfsLayers layers{source->resource.facts.at("image_directory").get<std::string>(), "", {}};
  for (const std::string& id : frozen.copy) layers.layers.push_back(parts_.layers.path(id));
  held.root = parts_.kernel.roots.mount(layers);
  return held;
}

ChangeResult Copies::rename(std::string_view name, const std::string& to, const ChangeContext& context) {
  need(name, context);
  check_free(to);
  const auto guard = parts_.locks.lock({object_ref(Kind::container, name), object_ref(Kind::container, to)});
  const EntryPtr before = need(name, context);
  check_free(to);
  const std::string ref = object_ref(Kind::container, name);
  if (before->runtime.alive())
    throw Error{Code::conflict, ref + " is " + before->runtime.state}.with_hint("its group, host name and processes carry the name: stop it first");
  for (const EntryPtr& user : parts_.catalog.dependents(before->resource.uid)) {
    const std::string by = object_ref(user->resource.kind, user->resource.name);
    throw Error{Code::in_use, ref + " is named by " + by}.with_conflicts({by});
  }
  Job job;
  job.object = object_ref(Kind::container, to);
  job.uid = before->resource.uid;
  if (context.dry_run) return {show_plan(job.plan, job.object, "rename"), 0, false, ""};
  Resource renamed = before->resource;
  renamed.name = to;
  renamed.updated_at = now();
  ++renamed.revision;
  job.commit.expected_revision = before->resource.revision;
  job.commit.claims = before->claims;
  job.commit.references = before->references;
  job.commit.actor = context.actor;
  job.commit.events.push_back(make_event("renamed", renamed, {{"from", before->resource.name}, {"revision", renamed.revision}}, context.actor));
  job.commit.put = std::move(renamed);
  parts_.executor.run(job);
  const EntryPtr after = parts_.catalog.need(Kind::container, to);
  return {parts_.document(*after), after->resource.revision, false, ""};
}

void Copies::thaw(const Json& args) const noexcept {
  try {
    if (args.at("thaw").get<bool>()) parts_.kernel.cgroups.set_frozen(text(args, "group"), false);
  } catch (const std::exception&) {
    // It has ended meanwhile.
  }
}

void Copies::copy_layer(const Json& args, Scratch& scratch) {
  // No longer than the copy takes, whatever way it ends; what a crash leaves frozen, undo thaws.
  const std::shared_ptr<void> thawed{nullptr, [&](void*) { thaw(args); }};
  if (args.at("thaw").get<bool>()) parts_.kernel.cgroups.set_frozen(text(args, "group"), true);
  parts_.kernel.layers.copy(text(args, "source"), text(args, "layer"), scratch.stop, scratch.copied);
}

ActionTable Copies::actions() {
  ActionTable table;
  LayerFiles& files = parts_.kernel.layers;
  table["layer.freeze"] = {[&files](const Json& args, Scratch&) { files.freeze(text(args, "directory"), text(args, "layer")); },
                           [&files](const Json& args, Scratch&) { files.unfreeze(text(args, "directory"), text(args, "layer")); }};
  table["layer.copy"] = {[this](const Json& args, Scratch& scratch) { copy_layer(args, scratch); },
                         [this](const Json& args, Scratch&) {
                           thaw(args);
                           parts_.kernel.layers.remove(text(args, "layer"));
                         }};
  table["layer.reset"] = {
      [&files](const Json& args, Scratch&) { files.reset(text(args, "directory"), text(args, "below"), text(args, "aside")); },
      [&files](const Json& args, Scratch&) { files.take_back(text(args, "directory"), text(args, "aside")); }};
  table["layer.merge"] = {[&files](const Json& args, Scratch&) { files.merge(text(args, "upper"), text(args, "lower"), text(args, "into")); },
                          [&files](const Json& args, Scratch&) { files.remove(text(args, "into")); }};
  table["rootfs.identity"] = {
      [this](const Json& args, Scratch&) {
        const unique_fd root = parts_.kernel.roots.mount({text(args, "lower"), text(args, "directory"), args.at("layers").get<std::vector<std::string>>()});
        parts_.kernel.layers.new_identity(root.get());
      },
      [](const Json&, Scratch&) {}};
  return table;
}

}  // namespace sovirt
