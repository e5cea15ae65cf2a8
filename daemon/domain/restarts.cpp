#include "daemon/domain/restarts.hpp"

#include <signal.h>

#include <algorithm>

namespace sovirt {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_delay{100}, longest_delay{60'000}, settled{10'000};

milliseconds delay_of(int attempt) {
  return std::min(longest_delay, first_delay * (1 << std::min(attempt - 1, 16)));
}

bool failed(const std::optional<ExitStatus>& exit) { return !exit || exit->signal || exit->code.value_or(1) != 0; }

}  // namespace

void Restarts::start(Starter starter) {
  starter_ = std::move(starter);
  thread_ = std::thread([this] { run(); });
}

void Restarts::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

Aftermath Restarts::after(const std::string& uid, const RestartSpec& spec, bool has_pid_namespace,
                          const std::optional<ExitStatus>& exit, milliseconds ran) {
  Aftermath result;
  const int signal = exit && exit->signal ? *exit->signal : 0;
  const std::lock_guard lock(mutex_);
  if (has_pid_namespace && signal == SIGINT) return attempts_.erase(uid), result;
  if (has_pid_namespace && signal == SIGHUP) {
    attempts_.erase(uid);
    result.again = result.reboot = true;
    return result;
  }
  const bool wanted = spec.policy == RestartSpec::Policy::always || (spec.policy == RestartSpec::Policy::on_failure && failed(exit));
  if (!wanted) return attempts_.erase(uid), result;
  int& attempts = attempts_[uid];
  if (ran >= settled) attempts = 0;
  if (spec.max_retries > 0 && attempts >= spec.max_retries) {
    result.exhausted = true;
    result.attempt = attempts;
    attempts_.erase(uid);
    return result;
  }
  result.again = true;
  result.attempt = ++attempts;
  result.delay = delay_of(attempts);
  return result;
}

void Restarts::schedule(const std::string& uid, const Aftermath& aftermath) {
  const std::lock_guard lock(mutex_);
  waiting_[uid] = {Clock::now() + aftermath.delay, aftermath};
  wake_.notify_all();
}

bool Restarts::waits(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  return waiting_.contains(uid);
}

void Restarts::forget(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(uid);
  attempts_.erase(uid);
}

void Restarts::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto next = std::min_element(waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) { return a.second.at < b.second.at; });
    if (next == waiting_.end()) {
      wake_.wait(lock);
    } else if (next->second.at > Clock::now()) {
      const auto until = next->second.at;
      wake_.wait_until(lock, until);
    } else {
      const std::string uid = next->first;
      const Aftermath aftermath = next->second.aftermath;
      waiting_.erase(next);
      lock.unlock();
      starter_(uid, aftermath);
      lock.lock();
    }
  }
}

}  // namespace sovirt
