#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::helper {

// Tells of the end of processes, by their pidfds. One thread in epoll_wait, asleep while nothing ends. Thread-safe.
class EndWatcher {
 public:
  EndWatcher();
  ~EndWatcher();
  EndWatcher(const EndWatcher&) = delete;
  EndWatcher& operator=(const EndWatcher&) = delete;

  void add(const std::string& key, unique_fd process);   // in the place of what had this key
  void forget(const std::string& key);                   // its end is no news
  std::shared_ptr<void> listen(std::function<void(std::string_view)>);

 private:
  struct Listeners {
    std::mutex mutex;
    std::list<std::function<void(std::string_view)>> all;
  };
  struct Watched {
    std::string key;
    unique_fd process;
  };
  void run();
  void ended(std::uint64_t number);

  unique_fd epoll_, stop_;
  std::mutex mutex_;
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, Watched> watched_;
  std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
  std::thread thread_;
};

}  // namespace sovirt::helper
