#include "daemon/domain/lifecycle.hpp"

#include "daemon/domain/ids.hpp"

namespace sovirt {
namespace {

Json exit_data(const std::optional<ExitStatus>& exit) {
  Json data{{"code", nullptr}, {"signal", nullptr}};
  if (exit && exit->code) data["code"] = *exit->code;
  if (exit && exit->signal) data["signal"] = *exit->signal;
  return data;
}

Json again_data(const Aftermath& aftermath) {
  if (aftermath.reboot) return {{"reason", "reboot"}};
  return {{"reason", "restart-policy"}, {"attempt", aftermath.attempt}};
}

}  // namespace

Event make_event(std::string type, const Resource& resource, Json data, const Actor& actor) {
  return {0,          now(),         std::move(type), std::string{kind_text(resource.kind)}, resource.name, resource.uid,
          std::move(data), actor.request_id};
}

EntryPtr Lifecycle::locked_entry(std::string_view name, const ChangeContext& context) const {
  EntryPtr entry = catalog_.need(Kind::container, name);
  if (context.if_match && *context.if_match != entry->resource.revision)
    throw Error{Code::precondition_failed, "revision is " + std::to_string(entry->resource.revision)};
  return entry;
}

Plan Lifecycle::set_state(std::string_view name, const StateRequest& request, const ChangeContext& context) {
  const auto guard = locks_.lock({object_ref(Kind::container, name)});
  const EntryPtr entry = locked_entry(name, context);
  const std::string& state = entry->runtime.state;
  switch (request.desired) {
    case Desired::running:
      if (state == "running") return {};
      if (!context.dry_run) restarts_.forget(entry->resource.uid);
      return state == "frozen" ? freeze(entry, false, context) : start(entry, context);
    case Desired::stopped:
      if (!context.dry_run) call_off_restart(entry, context);
      return entry->runtime.alive() || state == "failed" ? stop(entry, request, context, false) : Plan{};
    case Desired::frozen:
      if (state == "frozen") return {};
      if (state != "running")
        throw Error{Code::conflict, object_ref(Kind::container, name) + " is " + state + ", only a running one can be frozen"}
            .with_hint("start it first");
      return freeze(entry, true, context);
  }
  return {};
}

Plan Lifecycle::restart(std::string_view name, std::optional<std::chrono::seconds> timeout, const ChangeContext& context) {
  const auto guard = locks_.lock({object_ref(Kind::container, name)});
  EntryPtr entry = locked_entry(name, context);
  Plan whole;
  if (!context.dry_run) restarts_.forget(entry->resource.uid);
  if (entry->runtime.alive()) whole = stop(entry, {Desired::stopped, false, timeout}, context, false);
  entry = catalog_.need(Kind::container, name);
  for (Step& step : start(entry, context).steps) whole.steps.push_back(std::move(step));
  return whole;
}

Plan Lifecycle::run(const EntryPtr& entry, Plan plan, RuntimeRow runtime, Event event, const ChangeContext& context) {
  if (context.dry_run) return plan;
  Job job;
  job.object = object_ref(Kind::container, entry->resource.name);
  job.uid = entry->resource.uid;
  job.plan = plan;
  job.commit.runtime = std::move(runtime);
  job.commit.runtime->uid = job.uid;
  job.commit.actor = context.actor;
  job.commit.events.push_back(std::move(event));
  executor_.run(job);
  return plan;
}

Plan Lifecycle::start(const EntryPtr& entry, const ChangeContext& context, Json why) {
  RuntimeRow runtime = entry->runtime;
  runtime.desired = runtime.state = "running";
  runtime.boot_id = places_.boot_id;
  runtime.exit.reset();
  runtime.failure.clear();
  runtime.ran_at_shutdown = false;
  runtime.started_at = now();
  return run(entry, containers_.plan_start(entry->resource), std::move(runtime),
             make_event("started", entry->resource, std::move(why), context.actor), context);
}

Plan Lifecycle::stop(const EntryPtr& entry, const StateRequest& request, const ChangeContext& context, bool for_shutdown) {
  const auto patience = request.timeout.value_or(read_container_spec(entry->resource.spec).stop_timeout);
  RuntimeRow runtime = entry->runtime;
  runtime.state = "stopped";
  runtime.failure.clear();
  runtime.init = runtime.monitor = {};
  runtime.ran_at_shutdown = for_shutdown;
  if (!for_shutdown) runtime.desired = "stopped";
  Plan plan = run(entry, containers_.plan_stop(entry->resource, request.force, patience), std::move(runtime),
                  make_event("stopped", entry->resource, {{"force", request.force}}, context.actor), context);
  if (!context.dry_run) kernel_.launcher.forget(entry->resource.uid);
  return plan;
}

Plan Lifecycle::freeze(const EntryPtr& entry, bool frozen, const ChangeContext& context) {
  RuntimeRow runtime = entry->runtime;
  runtime.desired = runtime.state = frozen ? "frozen" : "running";
  return run(entry, containers_.plan_freeze(entry->resource, frozen), std::move(runtime),
             make_event(frozen ? "frozen" : "thawed", entry->resource, Json::object(), context.actor), context);
}

void Lifecycle::stop_for_shutdown(const std::string& name, const Actor& actor) {
  const auto guard = locks_.lock({object_ref(Kind::container, name)});
  const EntryPtr entry = catalog_.find(Kind::container, name);
  if (!entry || !entry->runtime.alive()) return;
  ChangeContext context;
  context.actor = actor;
  stop(entry, {Desired::stopped, false, std::nullopt}, context, true);
}

void Lifecycle::collect_ended(std::string_view uid, const std::optional<ExitStatus>& exit, const Actor& actor) {
  const EntryPtr known = catalog_.find_uid(uid);
  if (!known) return;
  const auto guard = locks_.lock({object_ref(Kind::container, known->resource.name)});
  const EntryPtr entry = catalog_.find_uid(uid);
  if (!entry || !entry->runtime.alive()) return;
  const auto report = kernel_.launcher.report(uid);
  if (report && report->running) return;  // started again before this end was looked at
  RuntimeRow runtime = entry->runtime;
  runtime.state = "stopped";
  runtime.init = runtime.monitor = {};
  runtime.exit = exit ? exit : report ? report->exit : std::nullopt;
  ChangeContext context;
  context.actor = actor;
  const Aftermath after = aftermath(*entry, runtime.exit);
  runtime.desired = after.again ? "running" : "stopped";
  Json data = exit_data(runtime.exit);
  if (after.again) data["starts_again_in_ms"] = after.delay.count();
  if (after.exhausted) data["restarts_exhausted"] = after.attempt;
  Event event = make_event("exited", entry->resource, std::move(data), actor);
  run(entry, containers_.plan_collect(entry->resource), std::move(runtime), std::move(event), context);
  kernel_.launcher.forget(uid);
  if (after.again) restarts_.schedule(entry->resource.uid, after);
}

Aftermath Lifecycle::aftermath(const Entry& entry, const std::optional<ExitStatus>& exit) {
  const ContainerSpec spec = read_container_spec(entry.resource.spec);
  const Time started = entry.runtime.started_at.value_or(now());
  const auto ran = std::chrono::duration_cast<std::chrono::milliseconds>((exit ? exit->at : now()) - started);
  return restarts_.after(entry.resource.uid, spec.restart, spec.isolation == Isolation::container, exit, ran);
}

// It has ended and waits for its turn: asked to be stopped, it stays so.
void Lifecycle::call_off_restart(const EntryPtr& entry, const ChangeContext& context) {
  restarts_.forget(entry->resource.uid);
  if (entry->runtime.alive() || entry->runtime.desired == "stopped") return;
  Commit commit;
  commit.runtime = entry->runtime;
  commit.runtime->desired = "stopped";
  commit.actor = context.actor;
  commit.events.push_back(make_event("stopped", entry->resource, {{"force", false}}, context.actor));
  executor_.commit(std::move(commit));
}

void Lifecycle::resume_restarts(const Actor&) {
  for (const EntryPtr& entry : catalog_.all(Kind::container)) {
    const bool waits = !entry->runtime.alive() && entry->runtime.desired == "running" && entry->runtime.boot_id == places_.boot_id;
    if (!waits || entry->runtime.ran_at_shutdown || restarts_.waits(entry->resource.uid)) continue;
    const Aftermath after = aftermath(*entry, entry->runtime.exit);
    if (after.again) restarts_.schedule(entry->resource.uid, after);
  }
}

void Lifecycle::start_again(const std::string& uid, const Aftermath& aftermath_now, const Actor& actor) {
  const EntryPtr known = catalog_.find_uid(uid);
  if (!known) return;
  const auto guard = locks_.lock({object_ref(Kind::container, known->resource.name)});
  const EntryPtr entry = catalog_.find_uid(uid);
  if (!entry || entry->runtime.alive() || entry->runtime.desired != "running") return;   // somebody has decided otherwise
  ChangeContext context;
  context.actor = actor;
  try {
    start(entry, context, again_data(aftermath_now));
  } catch (const Error& error) {
    const ContainerSpec spec = read_container_spec(entry->resource.spec);
    const Aftermath after = restarts_.after(uid, spec.restart, false, std::nullopt, std::chrono::milliseconds{0});
    Commit commit;
    commit.runtime = entry->runtime;
    commit.runtime->state = "failed";
    commit.runtime->failure = error.detail();
    commit.runtime->desired = after.again ? "running" : "stopped";
    commit.actor = actor;
    Json data{{"reason", error.detail()}};
    if (after.again) data["starts_again_in_ms"] = after.delay.count();
    commit.events.push_back(make_event("failed", entry->resource, std::move(data), actor));
    executor_.commit(std::move(commit));
    if (after.again) restarts_.schedule(uid, after);
  }
}

void Lifecycle::record_failure(std::string_view uid, const Error& error, const Actor& actor) {
  const EntryPtr known = catalog_.find_uid(uid);
  if (!known) return;
  const auto guard = locks_.lock({object_ref(Kind::container, known->resource.name)});
  const EntryPtr entry = catalog_.find_uid(uid);
  if (!entry || entry->runtime.alive()) return;
  Commit commit;
  commit.runtime = entry->runtime;
  commit.runtime->state = "failed";
  commit.runtime->failure = error.detail();
  commit.actor = actor;
  commit.events.push_back(make_event("failed", entry->resource, {{"reason", error.detail()}}, actor));
  executor_.commit(std::move(commit));
}

}  // namespace sovirt
