#pragma once
#include <list>
#include <memory>
#include <optional>

#include "daemon/launcher/chores.hpp"
#include "daemon/launcher/console.hpp"
#include "daemon/launcher/event_loop.hpp"
#include "daemon/launcher/executions.hpp"
#include "daemon/launcher/group.hpp"
#include "daemon/launcher/monitor_files.hpp"

namespace sovirt::launch {

// One container from its launch to its exit status. One thread, blocked in epoll_wait unless there is something to
// do. Until `go` was received, the end of the control socket undoes everything; after it the daemon may come and go.
class Monitor {
 public:
  explicit Monitor(unique_fd control);
  void run();

 private:
  void on_control();
  void prepare(Received&);
  void launch(Received&);
  void go(const Received&);
  void on_channel();
  void on_started();
  void on_init_end();
  void on_connection(std::list<unique_fd>::iterator);
  void accept_one();
  void abort() noexcept;
  void fail(const Failure&) noexcept;
  void finish(const Ended&) noexcept;
  void enter_shelter() noexcept;

  EventLoop loop_;
  unique_fd control_, listener_, channel_, init_pidfd_;
  std::vector<unique_fd> shelter_;      // cgroup.procs of the monitors' group, until we are in it
  std::optional<Group> group_;
  std::optional<Executions> executions_;
  Chores chores_{loop_};
  std::optional<MonitorFiles> files_;
  std::optional<Console> console_;
  std::list<unique_fd> connections_, subscribers_;
  Processes processes_{};
  std::uint64_t namespaces_ = 0;
  bool chroot_ = false, going_ = false, executing_ = false, started_ = false;
};

}  // namespace sovirt::launch
