#pragma once
#include <list>

#include "daemon/launcher/event_loop.hpp"
#include "daemon/launcher/protocol.hpp"

namespace sovirt::launch {

// Changes inside a container that runs: a mount more or less, another host name. Each is made by a fork of the monitor
// that enters the container's namespaces and answers by itself, so neither the daemon nor the monitor ever does, and
// one that hangs (in a file system of the container's making) holds up nobody: it is killed after ten seconds.
class Chores {
 public:
  explicit Chores(EventLoop& loop) : loop_(loop) {}
  static bool known(Type) noexcept;
  // namespaces: CLONE_NEW* that the container has of its own.
  void start(unique_fd connection, const Received&, int init_pidfd, std::uint64_t namespaces);
  void finish() noexcept;   // kills and reaps those at work

 private:
  struct One { unique_fd pidfd; };
  EventLoop& loop_;
  std::list<One> running_;
};

}  // namespace sovirt::launch
