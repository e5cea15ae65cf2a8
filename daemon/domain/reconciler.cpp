#include "daemon/domain/reconciler.hpp"

#include <unistd.h>

#include "api/bridge.hpp"
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
  watch_ = parts_.kernel.network.watch([this](const LinkEvent& event, bool lost) { heard(event, lost); });
  parts_.kernel.launcher.on_exit([this](std::string_view uid, const ExitStatus& status) {
    parts_.exits.arrived(uid, status);
    const std::lock_guard lock(mutex_);
    ended_.emplace_back(uid, status);
    wake_.notify_one();
  });
  thread_ = std::thread([this] { run(); });
}

void Reconciler::stop() {
  watch_.reset();
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

void Reconciler::heard(const LinkEvent& event, bool lost) {
  if (lost || event.name.empty()) return look_at_all_bridges();
  if (const EntryPtr bridge = parts_.catalog.find(Kind::bridge, event.name)) return look_at(bridge->resource.uid);
  if (event.name.size() != 14 || event.name.front() != 'v') return;
  for (const EntryPtr& container : parts_.catalog.all(Kind::container)) {
    if (event.name.compare(1, 12, uid_random(container->resource.uid)) != 0) continue;
    for (const std::string& target : container->references) {
      const EntryPtr bridge = parts_.catalog.find_uid(target);
      if (bridge && bridge->resource.kind == Kind::bridge) look_at(target);
    }
  }
}

void Reconciler::look_at_all_bridges() {
  for (const EntryPtr& bridge : parts_.catalog.all(Kind::bridge)) look_at(bridge->resource.uid);
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
    reconcile_bridge(uid, false, the_daemon("repair"));
    if (bridge_ready_) bridge_ready_(uid);
  } catch (const std::exception& error) {
    parts_.log.warning("cannot bring a bridge to its spec", {{"uid", uid}, {"detail", error.what()}});
  }
}

void Reconciler::reconcile_bridge(const std::string& uid, bool enforce, const Actor& actor) {
  const EntryPtr known = parts_.catalog.find_uid(uid);
  if (!known) return;
  const auto guard = parts_.locks.lock({object_ref(Kind::bridge, known->resource.name)});
  const EntryPtr entry = parts_.catalog.find_uid(uid);
  if (!entry) return;
  try {
    Plan plan = parts_.bridges.plan(entry->resource);
    if (!plan.empty())
      apply_difference(entry, std::move(plan), read_bridge_spec(entry->resource.spec), enforce, actor);
    else
      parts_.catalog.clear_condition(uid, "Drifted");
    parts_.catalog.set_condition(uid, {"Ready", true, "AsSpecified", "", {}});
  } catch (const Error& error) {
    if (parts_.catalog.set_condition(uid, {"Ready", false, "CannotApply", error.detail(), {}})) {
      Commit commit;
      commit.actor = actor;
      commit.events.push_back(make_event("failed", entry->resource, {{"reason", error.detail()}}, actor));
      parts_.executor.commit(std::move(commit));
    }
    throw;
  }
}

void Reconciler::apply_difference(const EntryPtr& entry, Plan plan, const BridgeSpec& spec, bool enforce, const Actor& actor) {
  const std::string& uid = entry->resource.uid;
  const Json steps = descriptions(plan);
  Job job;
  job.object = object_ref(Kind::bridge, entry->resource.name);
  job.uid = uid;
  job.commit.actor = actor;
  const bool repair = enforce || (spec.policy == Policy::repair && !contested(uid));
  const bool news = !enforce && parts_.catalog.set_condition(
      uid, {"Drifted", true, "KernelDiffers", "to be as specified it would take: " + steps.dump(), {}});
  if (news) job.commit.events.push_back(make_event("drifted", entry->resource, {{"steps", steps}}, actor));
  if (repair) {
    job.plan = std::move(plan);
    job.commit.events.push_back(make_event(enforce ? "applied" : "repaired", entry->resource, {{"steps", steps}}, actor));
  }
  if (job.commit.events.empty()) return;
  parts_.executor.run(job);
  parts_.log.info(repair ? "bridge repaired" : "bridge differs from its spec",
                  {{"bridge", entry->resource.name}, {"steps", steps.dump()}});
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
