#include "daemon/launcher/event_loop.hpp"

#include <sys/epoll.h>

#include <array>
#include <cerrno>

#include "daemon/base/error.hpp"

namespace sovirt::launch {

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw errno_error("epoll_create1");
}

void EventLoop::add(int fd, Handler handler, Trigger trigger) {
  epoll_event event{};
  event.events = EPOLLIN | (trigger == Trigger::edge ? static_cast<std::uint32_t>(EPOLLET) : 0u);
  event.data.u64 = next_;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) throw errno_error("epoll_ctl");
  handlers_[next_] = std::make_shared<Handler>(std::move(handler));
  numbers_[fd] = next_++;
}

void EventLoop::remove(int fd) noexcept {
  const auto found = numbers_.find(fd);
  if (found == numbers_.end()) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  handlers_.erase(found->second);
  numbers_.erase(found);
}

void EventLoop::change(int fd, std::uint32_t events) noexcept {
  const auto found = numbers_.find(fd);
  if (found == numbers_.end()) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = found->second;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::await_room(int fd, bool wanted) noexcept { change(fd, EPOLLIN | (wanted ? static_cast<std::uint32_t>(EPOLLOUT) : 0u)); }

void EventLoop::look_again(int fd) noexcept { change(fd, EPOLLIN | static_cast<std::uint32_t>(EPOLLET)); }

void EventLoop::run() {
  std::array<epoll_event, 16> events;
  while (!stopped_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) throw errno_error("epoll_wait");
    for (int i = 0; i < count && !stopped_; ++i) {
      const auto found = handlers_.find(events[static_cast<std::size_t>(i)].data.u64);
      if (found == handlers_.end()) continue;   // removed by a handler before it
      const auto handler = found->second;
      (*handler)();
    }
  }
}

}  // namespace sovirt::launch
