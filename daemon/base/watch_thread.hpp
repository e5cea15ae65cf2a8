#pragma once
#include <memory>
#include <thread>
#include <utility>

namespace sovirt {

// Runs a subscription in a thread of its own, and ends it when it dies: after that nobody is called any more.
// Subscription has run(), which returns soon after stop() was called from another thread.
template <class Subscription>
class WatchThread {
 public:
  template <class... Arguments>
  explicit WatchThread(Arguments&&... arguments)
      : subscription_(std::make_shared<Subscription>(std::forward<Arguments>(arguments)...)),
        thread_([subscription = subscription_] { subscription->run(); }) {}
  WatchThread(const WatchThread&) = delete;
  WatchThread& operator=(const WatchThread&) = delete;
  ~WatchThread() {
    subscription_->stop();
    if (thread_.get_id() == std::this_thread::get_id()) thread_.detach();  // it holds the subscription itself
    else thread_.join();
  }

 private:
  std::shared_ptr<Subscription> subscription_;
  std::thread thread_;
};

}  // namespace sovirt
