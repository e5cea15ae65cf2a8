#include "daemon/domain/exits.hpp"

namespace sovirt {

void Exits::arrived(std::string_view uid, const ExitStatus& status) {
  const std::lock_guard lock(mutex_);
  ends_[std::string{uid}] = status;
  arrived_.notify_all();
}

std::optional<ExitStatus> Exits::wait(std::string_view uid, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (!arrived_.wait_for(lock, timeout, [&] { return ends_.find(uid) != ends_.end(); })) return std::nullopt;
  return ends_.find(uid)->second;
}

void Exits::forget(std::string_view uid) {
  const std::lock_guard lock(mutex_);
  if (const auto end = ends_.find(uid); end != ends_.end()) ends_.erase(end);
}

}  // namespace sovirt
