#pragma once
#include <list>
#include <memory>

#include "daemon/launcher/event_loop.hpp"
#include "daemon/launcher/group.hpp"

namespace sovirt::launch {

// The processes executed in a running container from outside, one a connection.
class Executions {
 public:
  Executions(EventLoop& loop, Group& group) : loop_(loop), group_(group) {}

  // Takes the connection over: it gets what Type::exec or Type::exec_session say.
  void start(unique_fd connection, const Received& request, int init_pidfd, std::uint64_t namespaces);
  // The container has ended and everything in it is dead: reports what is left.
  void finish() noexcept;

 private:
  struct One {
    unique_fd connection, channel, pidfd;
    pid_t pid = -1;
    bool session = false, executing = false, kept = false;
    std::vector<unique_fd> outputs;   // its terminal, or pipes to be kept: read only once nobody else does
    Failure failure{};
  };
  using Entry = std::list<One>::iterator;

  void on_channel(Entry);
  void on_end(Entry);
  void on_connection(Entry);
  void on_hang_up(Entry);
  void discard_outputs(Entry);
  void drop(Entry);

  EventLoop& loop_;
  Group& group_;
  std::list<One> running_;
};

// Reaps a child of ours that has ended.
Ended reap(int pidfd) noexcept;

}  // namespace sovirt::launch
