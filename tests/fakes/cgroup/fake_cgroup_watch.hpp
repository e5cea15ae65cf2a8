#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "daemon/domain/ports/cgroup_watch.hpp"

namespace sovirt {

// Remembers what is watched; a test tells what happens. Thread-safe.
class FakeCgroupWatch final : public CgroupWatch {
 public:
  void watch(std::string_view group, std::string_view key, const GroupWish& wish) override {
    const std::scoped_lock lock{mutex_};
    watched_[std::string{key}] = {std::string{group}, wish};
  }
  void forget(std::string_view key) override {
    const std::scoped_lock lock{mutex_};
    watched_.erase(std::string{key});
  }
  std::shared_ptr<void> listen(Listener listener) override {
    auto held = std::make_shared<Listener>(std::move(listener));
    const std::scoped_lock lock{mutex_};
    listener_ = held;
    return held;
  }

  // For tests.
  void tell(const GroupEvent& event) {
    std::shared_ptr<Listener> listener;
    {
      const std::scoped_lock lock{mutex_};
      listener = listener_.lock();
    }
    if (listener) (*listener)(event);
  }
  std::optional<GroupWish> wish(const std::string& key) const {
    const std::scoped_lock lock{mutex_};
    const auto known = watched_.find(key);
    return known == watched_.end() ? std::nullopt : std::optional{known->second.second};
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::pair<std::string, GroupWish>> watched_;
  std::weak_ptr<Listener> listener_;
};

}  // namespace sovirt
