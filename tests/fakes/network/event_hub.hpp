#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt::fakes {

enum class Delivery {
  by_thread,    // as the real kernel's adapter does it
  synchronous,  // in the thread whose call made the event, before the call returns
};

// Brings events to listeners, one at a time and in order. Thread-safe. Calls no listener with a lock held that push() takes.
class EventHub {
 public:
  explicit EventHub(Delivery delivery);
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  std::shared_ptr<void> subscribe(NetworkKernel::Listener listener);
  void push(const LinkEvent& event, bool lost);  // only queues
  void flush();                                  // delivers what is queued, or wakes the thread that does
  void settle();                                 // until nothing is queued or being delivered; not from a listener

 private:
  struct Watch;
  struct Item {
    LinkEvent event;
    bool lost;
  };
  void run(const std::stop_token& stop);
  void pump(std::unique_lock<std::mutex>& lock);

  const Delivery delivery_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Item> queue_;
  bool pumping_ = false;
  std::vector<std::weak_ptr<Watch>> watches_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sovirt::fakes
