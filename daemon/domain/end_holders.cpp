#include "daemon/domain/end_holders.hpp"

namespace sovirt {

void EndHolders::remember(const std::string& where, int ifindex, const std::string& uid) {
  const std::lock_guard lock(mutex_);
  uids_[{where, ifindex}] = uid;
}

std::string EndHolders::heard(const std::string& where, const LinkEvent& event) {
  const std::lock_guard lock(mutex_);
  const auto holder = uids_.find({where, event.ifindex});
  if (holder == uids_.end()) return {};
  std::string uid = holder->second;
  if (event.gone) uids_.erase(holder);
  return uid;
}

void EndHolders::forget(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  std::erase_if(uids_, [&](const auto& one) { return one.second == uid; });
}

}  // namespace sovirt
