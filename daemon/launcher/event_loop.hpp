#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::launch {

// epoll(7) and what to call. One thread; a handler may add and remove any descriptor, itself included.
class EventLoop {
 public:
  using Handler = std::function<void()>;
  enum class Trigger { level, edge };

  EventLoop();
  void add(int fd, Handler, Trigger = Trigger::level);
  void remove(int fd) noexcept;      // before it is closed
  void await_room(int fd, bool) noexcept;   // call its handler also when it can be written to, or no more
  void look_again(int fd) noexcept;  // of one on edges: there may be more
  void run();                        // until stop()
  void stop() noexcept { stopped_ = true; }

 private:
  void change(int fd, std::uint32_t events) noexcept;

  unique_fd epoll_;
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, std::shared_ptr<Handler>> handlers_;  // by a number used once: a closed fd's comes back
  std::map<int, std::uint64_t> numbers_;
  bool stopped_ = false;
};

}  // namespace sovirt::launch
