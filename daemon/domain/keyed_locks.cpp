#include "daemon/domain/keyed_locks.hpp"

#include <algorithm>

namespace sovirt {

KeyedLocks::Guard KeyedLocks::lock(std::vector<std::string> keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (const std::string& key : keys) lock_one(key);
  return Guard{*this, std::move(keys)};
}

KeyedLocks::Guard::~Guard() {
  if (!locks_) return;
  for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) locks_->unlock_one(*key);
}

void KeyedLocks::lock_one(const std::string& key) {
  std::unique_lock lock(mutex_);
  const std::uint64_t ticket = next_ticket_++;
  queues_[key].push_back(ticket);
  turn_.wait(lock, [&] { return queues_[key].front() == ticket; });
}

void KeyedLocks::unlock_one(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto queue = queues_.find(key);
  queue->second.pop_front();
  if (queue->second.empty())
    queues_.erase(queue);
  else
    turn_.notify_all();
}

}  // namespace sovirt
