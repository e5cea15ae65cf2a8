#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace sovirt {

// One writer per object at a time, in the order they came. Keys are taken in sorted order, so that two callers
// with the same keys never wait for each other. Thread-safe.
class KeyedLocks {
 public:
  class Guard {
   public:
    Guard(Guard&& other) noexcept : locks_(other.locks_), keys_(std::move(other.keys_)) { other.locks_ = nullptr; }
    Guard& operator=(Guard&&) = delete;
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard();

   private:
    friend class KeyedLocks;
    Guard(KeyedLocks& locks, std::vector<std::string> keys) : locks_(&locks), keys_(std::move(keys)) {}
    KeyedLocks* locks_;
    std::vector<std::string> keys_;
  };

  [[nodiscard]] Guard lock(std::vector<std::string> keys);

 private:
  void lock_one(const std::string& key);
  void unlock_one(const std::string& key);

  std::mutex mutex_;
  std::condition_variable turn_;
  // The front of a queue holds the lock; tickets keep the order of arrival.
  std::map<std::string, std::deque<std::uint64_t>> queues_;
  std::uint64_t next_ticket_ = 1;
};

}  // namespace sovirt
