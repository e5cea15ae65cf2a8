#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/domain/ports/launcher.hpp"
#include "daemon/kernel/process/run_directory.hpp"

namespace sovirt::process {

// Tells of the end of each container it watches, once: from its monitor or, when that is gone, from what it left
// behind or the end of init. One thread in epoll_wait, asleep while nothing ends. Reaps monitors that are our children.
class ExitWatcher {
 public:
  explicit ExitWatcher(const RunDirectory&);
  ~ExitWatcher();

  void set_listener(Launcher::ExitListener);                       // waits for a call that is under way
  void add(std::string_view uid, unique_fd control, unique_fd monitor_pidfd);  // just launched by us
  void watch(std::string_view uid);                                // one that runs, launched by whomever
  void forget(std::string_view uid);

 private:
  enum class Source : std::uint64_t { socket, monitor, init };
  struct Item {
    std::string uid;
    unique_fd socket, monitor, init;
    bool told = false;
  };
  using Number = std::uint64_t;

  void run(std::stop_token);
  void handle(std::uint64_t key);
  void on_socket(Number);
  void on_init(Number);
  void fall_back(Item&, Number);           // mutex_ held
  void tell(Item&, const ExitStatus&);     // mutex_ held; calls are made by run() without it
  Number insert(Item);                     // mutex_ held
  void listen(int fd, Number, Source);
  void unlisten(unique_fd&) noexcept;
  void drop_if_done(Number);
  void deliver();
  void wake() noexcept;

  const RunDirectory& run_;
  unique_fd epoll_, wake_;
  std::mutex mutex_;                       // of what follows, up to the next one
  Number next_ = 1;
  std::map<Number, Item> items_;
  std::set<std::string, std::less<>> watched_;
  std::vector<std::pair<std::string, ExitStatus>> due_;
  std::mutex listener_mutex_;
  Launcher::ExitListener listener_;
  std::jthread thread_;
};

}  // namespace sovirt::process
