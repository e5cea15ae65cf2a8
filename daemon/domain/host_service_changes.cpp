// PUT, PATCH, DELETE, revert and uploads: from a request to a job for the executor.
#include <algorithm>

#include "api/image.hpp"
#include "api/reader.hpp"
#include "daemon/domain/host_service.hpp"
#include "daemon/domain/ids.hpp"

namespace sovirt {
namespace {

// If-Match and create-only. The store checks the revision again inside its transaction.
void check_preconditions(const EntryPtr& before, Kind kind, std::string_view name, const ChangeContext& context) {
  const std::string ref = object_ref(kind, name);
  if (context.create_only && before)
    throw Error{Code::exists, ref + " exists already"}.with_conflicts({ref});
  if (context.if_none_match && before) throw Error{Code::precondition_failed, ref + " exists already"}.with_conflicts({ref});
  if (!context.if_match) return;
  if (!before) throw Error{Code::precondition_failed, ref + " does not exist"};
  if (*context.if_match != before->resource.revision)
    throw Error{Code::precondition_failed, ref + " is at revision " + std::to_string(before->resource.revision) + ", not " +
                                               std::to_string(*context.if_match)}
        .with_hint("read it again and repeat the change on what you find");
}

Json document_of(const Resource& resource) {
  Json document = resource.spec;
  document["labels"] = resource.labels;
  return document;
}

// A tarball's path may hold other bytes than last time: only a given digest says that it is the same. A container changes.
bool must_build(const Json& spec) {
  const ImageSpec image = read_image_spec(spec);
  const auto* tarball = std::get_if<TarballSource>(&image.source);
  return (tarball && tarball->digest.empty()) || std::holds_alternative<ContainerSource>(image.source);
}

}  // namespace

ChangeResult HostService::put(Kind kind, std::string_view name, const ResourceBody& body, const ChangeContext& context) {
  return write(kind, name, context, [&](const Entry*, Resource& wanted) {
    wanted.spec = body.spec;
    wanted.labels = body.labels;
  });
}

ChangeResult HostService::patch(Kind kind, std::string_view name, const Json& patch, const ChangeContext& context) {
  catalog_.need(kind, name);
  if (!patch.is_object()) throw field_error("", "type", "a merge patch of a resource is an object");
  return write(kind, name, context, [&](const Entry* before, Resource& wanted) {
    if (!before) throw Error{Code::not_found, "there is no " + object_ref(kind, name)};
    ResourceBody body = split_body(merge_patch(document_of(before->resource), patch));
    wanted.spec = std::move(body.spec);
    wanted.labels = std::move(body.labels);
  });
}

ChangeResult HostService::revert(Kind kind, std::string_view name, std::int64_t revision, const ChangeContext& context) {
  const EntryPtr entry = catalog_.need(kind, name);
  const auto rows = store_.history(entry->resource.uid);
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const HistoryRow& r) { return r.revision == revision; });
  if (row == rows.end())
    throw field_error("/revision", "not-found", object_ref(kind, name) + " has no revision " + std::to_string(revision));
  return write(kind, name, context, [&](const Entry*, Resource& wanted) {
    wanted.spec = row->spec;
    wanted.labels = row->labels;
  });
}

ChangeResult HostService::write(Kind kind, std::string_view name, const ChangeContext& context, const Fill& fill) {
  check_name(kind, name);
  const EntryPtr known = catalog_.find(kind, name);
  Resource wanted;
  wanted.kind = kind;
  wanted.name = std::string{name};
  fill(known.get(), wanted);
  std::vector<std::string> keys = kinds_.lock_keys(kind, name, wanted.spec);
  if (known)   // what it leaves must stand still as well
    for (std::string& key : kinds_.lock_keys(kind, name, known->resource.spec)) keys.push_back(std::move(key));
  const auto guard = locks_.lock(std::move(keys));
  const EntryPtr before = catalog_.find(kind, name);
  if (before != known) fill(before.get(), wanted);  // somebody was faster: decide on what is there now
  check_preconditions(before, kind, name, context);
  wanted.uid = before ? before->resource.uid : new_uid(places_.instance);
  wanted.revision = before ? before->resource.revision + 1 : 1;
  wanted.updated_at = now();
  wanted.created_at = before ? before->resource.created_at : wanted.updated_at;
  return kind == Kind::image ? build_image(before, std::move(wanted), "", context) : change(before, std::move(wanted), context);
}

Plan HostService::plan_change(const EntryPtr& before, Resource& wanted, Commit& commit) {
  KindRules& rules = kinds_.of(wanted.kind);
  rules.complete(wanted, before ? &before->resource : nullptr);
  commit.claims = rules.claims(wanted);
  commit.references = rules.references(wanted);
  catalog_.check_claims(commit.claims, wanted.uid);
  rules.check(wanted, before.get());
  rules.amend(commit, wanted, before.get());
  return rules.plan(wanted, before.get());
}

ChangeResult HostService::change(const EntryPtr& before, Resource wanted, const ChangeContext& context) {
  Job job;
  job.plan = plan_change(before, wanted, job.commit);
  const Kind kind = wanted.kind;
  const std::string name = wanted.name;
  const bool same = before && before->resource.spec == wanted.spec && before->resource.labels == wanted.labels;
  if (context.dry_run)
    return {show_plan(job.plan, object_ref(kind, name), !before ? "create" : same ? "none" : "update"), 0, false, ""};
  if (same && job.plan.empty()) return shown(kind, name, false);
  job.object = object_ref(kind, name);
  job.uid = wanted.uid;
  job.commit.actor = context.actor;
  if (same) {
    // The kernel had lost what is asked again: nothing new is asked, so no new revision.
    job.commit.claims.clear();
    job.commit.references.clear();
    job.commit.events.push_back(make_event("repaired", wanted, Json::object(), context.actor));
  } else {
    job.commit.expected_revision = before ? before->resource.revision : 0;
    job.commit.events.push_back(
        make_event(before ? "updated" : "created", wanted, {{"revision", wanted.revision}}, context.actor));
    job.commit.put = std::move(wanted);
  }
  if (context.confirm_within && kind == Kind::bridge) run_guarded(job, before, name, *context.confirm_within);
  else executor_.run(job);
  const EntryPtr changed = kind == Kind::container ? catalog_.find_uid(job.uid) : nullptr;
  if (kinds_.of(kind).reconciled() && (!changed || changed->runtime.alive())) {
    catalog_.set_condition(job.uid, {"Ready", true, "AsSpecified", "", {}});
    reconciler_.look_at(job.uid);
  }
  if (kind == Kind::bridge) show_deadline(name);
  return shown(kind, name, !before);
}

ChangeResult HostService::build_image(const EntryPtr& before, Resource wanted, const std::string& upload,
                                      const ChangeContext& context) {
  images_.complete(wanted, before ? &before->resource : nullptr);
  const std::string ref = object_ref(Kind::image, wanted.name);
  const bool same_spec = before && before->resource.spec == wanted.spec && upload.empty() && !must_build(wanted.spec);
  if (context.dry_run) {
    Plan plan;
    if (!same_spec) plan.add("image.build", wanted.spec, "build " + ref + " and store it by its digest");
    return {show_plan(plan, ref, !before ? "create" : same_spec ? "none" : "update"), 0, false, ""};
  }
  if (same_spec && before->resource.labels == wanted.labels) return shown(Kind::image, wanted.name, false);
  if (same_spec) return change(before, std::move(wanted), context);  // only labels differ: the tree stays
  ChangeResult result;
  result.operation = images_.build(wanted, upload, context.actor);
  result.body = operation(result.operation);
  result.created = !before;
  return result;
}

ChangeResult HostService::finish_upload(std::string_view image, const std::string& path, const ChangeContext& context) {
  check_name(Kind::image, image);
  const auto guard = locks_.lock({object_ref(Kind::image, image)});
  const EntryPtr before = catalog_.find(Kind::image, image);
  check_preconditions(before, Kind::image, image, context);
  Resource wanted;
  wanted.kind = Kind::image;
  wanted.name = std::string{image};
  wanted.spec = Json{{"source", {{"type", "tarball"}}}};
  if (before) wanted.labels = before->resource.labels;
  return build_image(before, std::move(wanted), path, context);
}

// Each a change of its own, as if it had been asked for: what cannot go leaves the rest as it is.
void HostService::remove_links_of(const EntryPtr& known, const ChangeContext& context) {
  check_preconditions(known, known->resource.kind, known->resource.name, context);
  ChangeContext plain;
  plain.actor = context.actor;
  for (const EntryPtr& user : catalog_.dependents(known->resource.uid))
    if (user->resource.kind == Kind::link) remove(Kind::link, user->resource.name, plain);
}

ChangeResult HostService::remove(Kind kind, std::string_view name, const ChangeContext& context) {
  const EntryPtr known = catalog_.need(kind, name);
  if (context.cascade && !context.dry_run) remove_links_of(known, context);
  const auto guard = locks_.lock(kinds_.lock_keys(kind, name, known->resource.spec));
  const EntryPtr entry = catalog_.need(kind, name);
  check_preconditions(entry, kind, name, context);
  const std::string ref = object_ref(kind, name);
  KindRules& rules = kinds_.of(kind);
  rules.check_removal(*entry);
  std::vector<std::string> users;
  for (const EntryPtr& user : catalog_.dependents(entry->resource.uid))
    users.push_back(object_ref(user->resource.kind, user->resource.name));
  if (!users.empty()) throw Error{Code::in_use, ref + " is used by " + users.front() + (users.size() > 1 ? " and others" : "")}.with_conflicts(users);
  Job job;
  job.plan = rules.plan_removal(entry->resource);
  if (context.dry_run) return {show_plan(job.plan, ref, "delete"), 0, false, ""};
  job.object = ref;
  job.uid = entry->resource.uid;
  job.commit.remove_uid = entry->resource.uid;
  job.commit.actor = context.actor;
  job.commit.events.push_back(make_event("deleted", entry->resource, Json::object(), context.actor));
  executor_.run(job);
  rules.after_removal(*entry);
  if (kind == Kind::bridge) guarded_.disarm(std::string{name});
  return {nullptr, 0, false, ""};
}

}  // namespace sovirt
