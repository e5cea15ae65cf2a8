#include "daemon/domain/reconciler.hpp"

#include <unistd.h>

#include "daemon/domain/ids.hpp"

namespace sovirt {
namespace {

constexpr std::chrono::milliseconds settle{50};   // a burst of link messages is one change
constexpr std::chrono::seconds contest_window{10};
constexpr std::size_t contest_repairs = 8;        // more in a window: somebody is fighting us
constexpr std::chrono::seconds contest_pause{30};

Actor the_daemon(std::string_view why) { return {0, ::getpid(), std::string{why}}; }

Json descriptions(const Plan& plan) {
  Json list = Json::array();
  for (const Step& step : plan.steps) list.push_back(step.description);
  return list;
}

}  // namespace

void Reconciler::start() {
  for (KindRules* rules : parts_.kinds.all()) watches_.push_back(rules->watch(*this));
  parts_.kernel.launcher.on_exit([this](std::string_view uid, const ExitStatus& status) {
    parts_.exits.arrived(uid, status);
    const std::lock_guard lock(mutex_);
    ended_.emplace_back(uid, status);
    wake_.notify_one();
  });
  thread_ = std::thread([this] { run(); });
}

void Reconciler::stop() {
  watches_.clear();
  parts_.kernel.launcher.on_exit(nullptr);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Reconciler::look_at(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  // Of a burst only the first wakes the thread: it competes with the very start that the burst comes from.
  if (due_.try_emplace(uid, Clock::now() + settle).second) wake_.notify_one();
}

void Reconciler::look_at_all(Kind kind) {
  for (const EntryPtr& entry : parts_.catalog.all(kind)) look_at(entry->resource.uid);
}

// What could not be made for want of this one can be made now.
void Reconciler::look_at_dependents(const std::string& uid) {
  for (const EntryPtr& entry : parts_.catalog.dependents(uid))
    if (parts_.kinds.of(entry->resource.kind).reconciled()) look_at(entry->resource.uid);
}

void Reconciler::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!ended_.empty()) {
      const auto [uid, status] = std::move(ended_.front());
      ended_.pop_front();
      lock.unlock();
      try {
        parts_.lifecycle.collect_ended(uid, status, the_daemon("exit"));
      } catch (const std::exception& error) {
        parts_.log.error("cannot take down what has ended", {{"uid", uid}, {"detail", error.what()}});
      }
      lock.lock();
      continue;
    }
    auto next = due_.end();
    for (auto item = due_.begin(); item != due_.end(); ++item)
      if (next == due_.end() || item->second < next->second) next = item;
    if (next == due_.end()) {
      wake_.wait(lock);
    } else if (next->second > Clock::now()) {
      wake_.wait_until(lock, next->second);
    } else {
      const std::string uid = next->first;
      due_.erase(next);
      lock.unlock();
      look_quietly(uid);
      lock.lock();
    }
  }
}

void Reconciler::look_quietly(const std::string& uid) {
  try {
    reconcile(uid, false, the_daemon("repair"));
    if (ready_) ready_(uid);
  } catch (const Error&) {   // told when it came to be so, not at each look
  } catch (const std::exception& error) {
    parts_.log.error("cannot look at an object", {{"uid", uid}, {"detail", error.what()}});
  }
}

void Reconciler::reconcile(const std::string& uid, bool enforce, const Actor& actor) {
  const EntryPtr known = parts_.catalog.find_uid(uid);
  if (!known) return;
  const auto keys = [&](const Entry& one) { return parts_.kinds.lock_keys(one.resource.kind, one.resource.name, one.resource.spec); };
  const auto guard = parts_.locks.lock(keys(*known));
  const EntryPtr entry = parts_.catalog.find_uid(uid);
  if (!entry) return;
  if (keys(*entry) != keys(*known)) return look_at(uid);   // changed meanwhile: what it stands on now is not locked
  const KindRules& rules = parts_.kinds.of(entry->resource.kind);
  try {
    Plan plan = rules.plan(entry->resource, entry.get());
    const bool differed = !plan.empty();
    if (differed)
      apply_difference(entry, std::move(plan), rules.policy(entry->resource), enforce, actor);
    else
      parts_.catalog.clear_condition(uid, "Drifted");
    if (parts_.catalog.set_condition(uid, {"Ready", true, "AsSpecified", "", {}}) || differed) look_at_dependents(uid);
  } catch (const Error& error) {
    if (parts_.catalog.set_condition(uid, {"Ready", false, "CannotApply", error.detail(), {}})) {
      parts_.log.warning("cannot bring an object to its spec", {{"object", object_ref(entry->resource.kind, entry->resource.name)}, {"detail", error.detail()}});
      Commit commit;
      commit.actor = actor;
      commit.events.push_back(make_event("failed", entry->resource, {{"reason", error.detail()}}, actor));
      parts_.executor.commit(std::move(commit));
    }
    throw;
  }
}

void Reconciler::apply_difference(const EntryPtr& entry, Plan plan, Policy policy, bool enforce, const Actor& actor) {
  const std::string& uid = entry->resource.uid;
  const Json steps = descriptions(plan);
  Job job;
  job.object = object_ref(entry->resource.kind, entry->resource.name);
  job.uid = uid;
  job.commit.actor = actor;
  const bool repair = enforce || (policy == Policy::repair && !contested(uid));
  const bool news = !enforce && parts_.catalog.set_condition(
      uid, {"Drifted", true, "KernelDiffers", "to be as specified it would take: " + steps.dump(), {}});
  if (news) job.commit.events.push_back(make_event("drifted", entry->resource, {{"steps", steps}}, actor));
  if (repair) {
    job.plan = std::move(plan);
    job.commit.events.push_back(make_event(enforce ? "applied" : "repaired", entry->resource, {{"steps", steps}}, actor));
  }
  if (job.commit.events.empty()) return;
  parts_.executor.run(job);
  parts_.log.info(repair ? "repaired" : "differs from its spec",
                  {{"object", job.object}, {"steps", steps.dump()}});
  if (repair) parts_.catalog.clear_condition(uid, "Drifted");
}

bool Reconciler::contested(const std::string& uid) {
  auto& lately = repairs_[uid];
  const auto time = Clock::now();
  while (!lately.empty() && time - lately.front() > contest_window) lately.pop_front();
  if (lately.size() < contest_repairs) {
    lately.push_back(time);
    parts_.catalog.clear_condition(uid, "Contested");
    return false;
  }
  parts_.catalog.set_condition(uid, {"Contested", true, "RepairedTooOften",
                                     "something keeps changing it; the next repair is tried in 30 s", {}});
  const std::lock_guard lock(mutex_);
  due_[uid] = time + contest_pause;
  return true;
}

}  // namespace sovirt
