#include "daemon/domain/guarded_changes.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

constexpr const char* meta_key = "unconfirmed";
constexpr std::chrono::seconds again{2};   // after an undo that failed

}  // namespace

void GuardedChanges::start() {
  load();
  thread_ = std::thread([this] { run(); });
}

void GuardedChanges::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void GuardedChanges::arm(const std::string& bridge, const Json& before, std::chrono::seconds within) {
  const std::lock_guard lock(mutex_);
  const auto [place, first] = waiting_.try_emplace(bridge, Waiting{before, {}, false});
  place->second.deadline = now() + within;
  save();
  wake_.notify_all();
}

void GuardedChanges::disarm(const std::string& bridge) { confirm(bridge); }

bool GuardedChanges::confirm(const std::string& bridge) {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find(bridge);
  if (found == waiting_.end() || found->second.late) return false;
  waiting_.erase(found);
  save();
  return true;
}

std::optional<Time> GuardedChanges::deadline(const std::string& bridge) const {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find(bridge);
  return found == waiting_.end() ? std::nullopt : std::optional{found->second.deadline};
}

void GuardedChanges::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto next = std::min_element(waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) { return a.second.deadline < b.second.deadline; });
    if (next == waiting_.end()) wake_.wait(lock);
    else if (next->second.deadline > now()) wake_.wait_until(lock, next->second.deadline);
    else undo(lock, std::string{next->first});
  }
}

void GuardedChanges::undo(std::unique_lock<std::mutex>& lock, const std::string& bridge) {
  Waiting& waiting = waiting_.at(bridge);
  waiting.late = true;
  const Json before = waiting.before;
  lock.unlock();
  bool done = false;
  try {
    undo_(bridge, before);
    done = true;
    log_.warning("undone for want of a confirmation", {{"bridge", bridge}});
  } catch (const std::exception& error) {
    log_.error("cannot undo what nobody confirmed; trying again", {{"bridge", bridge}, {"detail", error.what()}});
  }
  lock.lock();
  const auto still = waiting_.find(bridge);
  if (still == waiting_.end()) return;
  if (!done) {
    still->second.deadline = now() + again;
    still->second.late = false;
    return;
  }
  waiting_.erase(still);
  save();
}

void GuardedChanges::save() {
  Json all = Json::object();
  for (const auto& [bridge, one] : waiting_) all[bridge] = {{"before", one.before}, {"deadline", rfc3339(one.deadline)}};
  store_.set_meta(meta_key, all.dump());
}

void GuardedChanges::load() {
  const auto text = store_.meta(meta_key);
  const Json all = text ? Json::parse(*text, nullptr, false) : Json();
  if (!all.is_object()) return;
  const std::lock_guard lock(mutex_);
  for (const auto& [bridge, one] : all.items())
    waiting_.try_emplace(bridge, Waiting{one.at("before"), parse_rfc3339(one.at("deadline").get<std::string>()).value_or(now()), false});
}

}  // namespace sovirt
