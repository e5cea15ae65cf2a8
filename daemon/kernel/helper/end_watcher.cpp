#include "daemon/kernel/helper/end_watcher.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>

#include "daemon/base/error.hpp"

namespace sovirt::helper {
namespace {

constexpr std::uint64_t stop_number = 0;

void listen_to(int epoll, int fd, std::uint64_t number) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = number;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) throw errno_error("epoll_ctl");
}

}  // namespace

EndWatcher::EndWatcher() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!epoll_ || !stop_) throw errno_error("epoll_create1");
  listen_to(epoll_.get(), stop_.get(), stop_number);
  thread_ = std::thread([this] { run(); });
}

EndWatcher::~EndWatcher() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void EndWatcher::add(const std::string& key, unique_fd process) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watched_, [&](const auto& item) { return item.second.key == key; });   // closing ends the listening
  const std::uint64_t number = next_++;
  listen_to(epoll_.get(), process.get(), number);
  watched_.emplace(number, Watched{key, std::move(process)});
}

void EndWatcher::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watched_, [&](const auto& item) { return item.second.key == key; });
}

std::shared_ptr<void> EndWatcher::listen(std::function<void(std::string_view)> listener) {
  const std::lock_guard lock(listeners_->mutex);
  const auto place = listeners_->all.insert(listeners_->all.end(), std::move(listener));
  return std::shared_ptr<void>(nullptr, [listeners = listeners_, place](void*) {
    const std::lock_guard guard(listeners->mutex);
    listeners->all.erase(place);
  });
}

void EndWatcher::run() {
  std::array<epoll_event, 16> events;
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      const std::uint64_t number = events[static_cast<std::size_t>(i)].data.u64;
      if (number == stop_number) return;
      ended(number);
    }
  }
}

void EndWatcher::ended(std::uint64_t number) {
  std::string key;
  {
    const std::lock_guard lock(mutex_);
    const auto found = watched_.find(number);
    if (found == watched_.end()) return;   // forgotten meanwhile
    key = found->second.key;
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(found->second.process.get()), &info, WEXITED | WNOHANG);   // where it is our child
    watched_.erase(found);
  }
  const std::lock_guard lock(listeners_->mutex);
  for (const auto& listener : listeners_->all) listener(key);
}

}  // namespace sovirt::helper
