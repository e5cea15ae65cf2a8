#include "daemon/domain/restore.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "api/reader.hpp"
#include "daemon/domain/ids.hpp"

namespace sovirt {
namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* report_key = "restore_report";
constexpr std::size_t starters_per_core = 3;  // a start waits for the disk and for RCU more than it computes

Actor the_boot() { return {0, ::getpid(), "restore"}; }

std::int64_t nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}

}  // namespace

void Restore::start(bool new_boot) {
  thread_ = std::thread([this, new_boot] {
    try {
      run(new_boot);
    } catch (const std::exception& error) {
      log_.error("restore ended early", {{"detail", error.what()}});
    }
    const std::lock_guard lock(mutex_);
    finished_ = true;
    if (new_boot) finished_at_ = now();
    stop_.notify_all();
  });
}

void Restore::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stop_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Restore::run(bool new_boot) {
  {
    const std::lock_guard lock(mutex_);
    boot_id_ = places_.boot_id;
    started_at_ = now();
  }
  if (!new_boot) load_saved();
  for (const KindRules* rules : kinds_.all())
    if (rules->reconciled() && rules->kind() != Kind::container) restore_objects(*rules);   // containers come behind all else
  if (!new_boot) return;
  restore_containers();
  save();
  log_.info("restored", {{"objects", std::to_string(items_.size())}});
}

// The daemon was started again in the boot it knows: what that boot's restore found still holds.
void Restore::load_saved() {
  const auto saved = store_.meta(report_key);
  if (!saved) return;
  const Json report = parse_json(*saved);
  const std::lock_guard lock(mutex_);
  started_at_ = parse_rfc3339(report.at("started_at").get<std::string>()).value_or(started_at_);
  finished_at_ = started_at_;
  if (report.at("finished_at").is_string())
    finished_at_ = parse_rfc3339(report.at("finished_at").get<std::string>()).value_or(started_at_);
  for (const Json& one : report.at("items")) {
    Item item;
    if (!kind_from_text(one.at("kind").get<std::string>(), item.kind)) continue;
    item.name = one.at("name").get<std::string>();
    const EntryPtr entry = catalog_.find(item.kind, item.name);
    if (!entry) continue;
    item.result = one.at("result").get<std::string>();
    if (one.at("reason").is_string()) item.reason = one.at("reason").get<std::string>();
    item.waited_for = one.at("waited_for").get<std::vector<std::string>>();
    item.duration_ns = one.at("duration").get<std::int64_t>();
    if (item.result == "waiting") waiting_.insert(entry->resource.uid);
    items_[entry->resource.uid] = std::move(item);
  }
}

void Restore::restore_objects(const KindRules& rules) {
  for (const EntryPtr& object : catalog_.all(rules.kind())) {
    Item item{rules.kind(), object->resource.name, "restored", "", {}, 0};
    const auto start = Clock::now();
    try {
      reconciler_.reconcile(object->resource.uid, true, the_boot());
    } catch (const Error& error) {
      item.result = "failed";
      item.reason = error.detail();
      const std::lock_guard lock(mutex_);
      broken_.insert(object->resource.uid);
    }
    item.duration_ns = nanoseconds_since(start);
    const bool reported_before = [&] {
      const std::lock_guard lock(mutex_);
      return items_.count(object->resource.uid) != 0;
    }();
    if (!reported_before || item.result == "failed") record(object->resource, std::move(item));
  }
}

bool Restore::wanted(const Entry& entry) {
  const ContainerSpec spec = read_container_spec(entry.resource.spec);
  if (spec.autostart == Autostart::always) return true;
  const bool ran = entry.runtime.desired == "running" || entry.runtime.desired == "frozen";
  return spec.autostart == Autostart::last_state && ran;
}

void Restore::restore_containers() {
  std::map<int, std::vector<EntryPtr>> groups;
  for (const EntryPtr& container : catalog_.all(Kind::container)) {
    if (container->runtime.alive()) continue;
    if (wanted(*container))
      groups[read_container_spec(container->resource.spec).boot_priority].push_back(container);
    else
      record(container->resource, {Kind::container, container->resource.name, "skipped", "autostart says not now", {}, 0});
  }
  for (const auto& [priority, group] : groups) {
    start_group(group);
    std::chrono::seconds delay{0};
    for (const EntryPtr& container : group) delay = std::max(delay, read_container_spec(container->resource.spec).boot_delay);
    std::unique_lock lock(mutex_);
    if (stop_.wait_for(lock, delay, [&] { return stopping_; })) return;
  }
}

void Restore::start_group(const std::vector<EntryPtr>& group) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t index = next++; index < group.size(); index = next++) start_one(group[index]);
  };
  const std::size_t count = std::min<std::size_t>(group.size(), starters_per_core * std::max(1U, std::thread::hardware_concurrency()));
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < count; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

std::vector<std::string> Restore::missing_objects(const Entry& entry) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> missing;
  for (const std::string& uid : entry.references)
    if (broken_.count(uid) != 0)
      if (const EntryPtr object = catalog_.find_uid(uid)) missing.push_back(object_ref(object->resource.kind, object->resource.name));
  return missing;
}

void Restore::start_one(const EntryPtr& entry) {
  const Resource& container = entry->resource;
  Item item{Kind::container, container.name, "restored", "", missing_objects(*entry), 0};
  const auto start = Clock::now();
  if (!item.waited_for.empty()) {
    item.result = "waiting";
    item.reason = "waits for " + item.waited_for.front();
    lifecycle_.record_failure(container.uid, Error{Code::conflict, item.reason}, the_boot());
    const std::lock_guard lock(mutex_);
    waiting_.insert(container.uid);
  } else {
    try {
      ChangeContext context;
      context.actor = the_boot();
      lifecycle_.set_state(container.name, {Desired::running, false, std::nullopt}, context);
    } catch (const Error& error) {
      item.result = "failed";
      item.reason = error.detail();
      lifecycle_.record_failure(container.uid, error, the_boot());
    }
  }
  item.duration_ns = nanoseconds_since(start);
  record(container, std::move(item));
}

void Restore::start_containers() {
  {
    // The restore of this boot goes first: it keeps the order of priorities.
    std::unique_lock lock(mutex_);
    stop_.wait(lock, [&] { return finished_ || stopping_; });
    if (stopping_) throw Error{Code::unavailable, "the daemon is stopping"};
  }
  restore_containers();
  save();
}

void Restore::ready(const std::string& uid) {
  std::vector<EntryPtr> ready;
  bool was_broken = false;
  {
    const std::lock_guard lock(mutex_);
    was_broken = broken_.erase(uid) != 0;
    if (was_broken) {
      if (const auto item = items_.find(uid); item != items_.end()) item->second.result = "restored";
      for (const std::string& waiting : waiting_) {
        const EntryPtr entry = catalog_.find_uid(waiting);
        const auto held = [&](const std::string& target) { return broken_.count(target) != 0; };
        if (entry && std::none_of(entry->references.begin(), entry->references.end(), held)) ready.push_back(entry);
      }
      for (const EntryPtr& entry : ready) waiting_.erase(entry->resource.uid);
    }
  }
  if (!was_broken) return;
  start_group(ready);
  save();
}

void Restore::record(const Resource& resource, Item item) {
  const std::lock_guard lock(mutex_);
  const auto before = items_.find(resource.uid);
  if (before != items_.end() && item.waited_for.empty()) item.waited_for = before->second.waited_for;
  items_[resource.uid] = std::move(item);
}

void Restore::save() { store_.set_meta(report_key, report().dump()); }

bool Restore::finished() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

Json Restore::report() const {
  const std::lock_guard lock(mutex_);
  Json items = Json::array();
  for (const auto& [uid, item] : items_)
    items.push_back({{"kind", kind_text(item.kind)},
                     {"name", item.name},
                     {"result", item.result},
                     {"reason", item.reason.empty() ? Json() : Json(item.reason)},
                     {"waited_for", item.waited_for},
                     {"duration", item.duration_ns}});
  return {{"boot_id", boot_id_},
          {"state", finished_ ? "done" : "running"},
          {"started_at", rfc3339(started_at_)},
          {"finished_at", finished_ ? Json(rfc3339(finished_at_)) : Json()},
          {"items", std::move(items)}};
}

}  // namespace sovirt
