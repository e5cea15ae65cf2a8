#include "tests/fakes/filter/fake_packet_filter.hpp"

namespace sovirt::fakes {
namespace {

bool needs_forwarding(const FilterRules& rules) {
  return !rules.publications.empty() ||
         std::any_of(rules.bridges.begin(), rules.bridges.end(), [](const BridgeFilter& one) { return one.masquerade; });
}

}  // namespace

std::string FakePacketFilter::missing() {
  const std::lock_guard lock(mutex_);
  return lacks_;
}

void FakePacketFilter::replace(const FilterRules& rules) {
  {
    const std::lock_guard lock(mutex_);
    if (!rules.empty() && !lacks_.empty()) throw Error{Code::unsupported, "this host lacks " + lacks_};
    if (failure_ && replacements_ + 1 == failure_->first) {
      ++replacements_;
      const Error error = failure_->second;
      failure_.reset();
      throw error;
    }
    ++replacements_;
    held_ = rules.empty() ? FilterRules{} : rules;
    edited_ = false;
    if (needs_forwarding(rules)) forwarding_ = true;
  }
  tell();
}

bool FakePacketFilter::holds(const FilterRules& rules) {
  const std::lock_guard lock(mutex_);
  if (needs_forwarding(rules) && !forwarding_) return false;
  return !edited_ && (rules.empty() ? held_ == FilterRules{} : held_ == rules);
}

std::vector<std::string> FakePacketFilter::blocking_chains() {
  const std::lock_guard lock(mutex_);
  return dropping_;
}

std::shared_ptr<void> FakePacketFilter::watch(std::function<void()> changed) {
  const std::lock_guard lock(listeners_->mutex);
  const auto place = listeners_->all.insert(listeners_->all.end(), std::move(changed));
  return std::shared_ptr<void>(nullptr, [listeners = listeners_, place](void*) {
    const std::lock_guard guard(listeners->mutex);
    listeners->all.erase(place);
  });
}

void FakePacketFilter::tell() {
  const std::lock_guard lock(listeners_->mutex);
  for (const auto& changed : listeners_->all) changed();
}

void FakePacketFilter::lack(std::string what) {
  const std::lock_guard lock(mutex_);
  lacks_ = std::move(what);
}

void FakePacketFilter::fail_replace(int n, Error error) {
  const std::lock_guard lock(mutex_);
  failure_.emplace(replacements_ + n, std::move(error));
}

FilterRules FakePacketFilter::rules() {
  const std::lock_guard lock(mutex_);
  return held_;
}

int FakePacketFilter::replacements() {
  const std::lock_guard lock(mutex_);
  return replacements_;
}

void FakePacketFilter::foreign_flush() {
  {
    const std::lock_guard lock(mutex_);
    held_ = {};
    edited_ = false;
    dropping_.clear();
  }
  tell();
}

void FakePacketFilter::foreign_edit() {
  {
    const std::lock_guard lock(mutex_);
    edited_ = true;
  }
  tell();
}

void FakePacketFilter::foreign_switch_off() {
  {
    const std::lock_guard lock(mutex_);
    forwarding_ = false;
  }
  tell();
}

void FakePacketFilter::foreign_drop_chain(std::string name) {
  {
    const std::lock_guard lock(mutex_);
    dropping_.push_back(std::move(name));
  }
  tell();
}

}  // namespace sovirt::fakes
