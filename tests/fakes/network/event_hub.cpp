#include "tests/fakes/network/event_hub.hpp"

#include <utility>

namespace sovirt::fakes {

struct EventHub::Watch {
  explicit Watch(NetworkKernel::Listener to) : listener(std::move(to)) {}
  void call(const Item& item) {
    const std::lock_guard lock{calling};
    if (open) listener(item.event, item.lost);
  }
  void close() {  // waits for a call at work, unless it comes out of that very call
    const std::lock_guard lock{calling};
    open = false;
  }
  std::recursive_mutex calling;
  bool open = true;
  NetworkKernel::Listener listener;
};

EventHub::EventHub(Delivery delivery) : delivery_(delivery) {
  if (delivery == Delivery::by_thread) thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

EventHub::~EventHub() = default;

std::shared_ptr<void> EventHub::subscribe(NetworkKernel::Listener listener) {
  auto watch = std::make_shared<Watch>(std::move(listener));
  const std::lock_guard lock{mutex_};
  watches_.push_back(watch);
  Watch* const raw = watch.get();
  return {raw, [watch = std::move(watch)](Watch*) { watch->close(); }};
}

void EventHub::push(const LinkEvent& event, bool lost) {
  const std::lock_guard lock{mutex_};
  queue_.push_back({event, lost});
}

void EventHub::flush() {
  std::unique_lock lock{mutex_};
  if (delivery_ == Delivery::synchronous) pump(lock);
  else changed_.notify_all();
}

void EventHub::settle() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return queue_.empty() && !pumping_; });
}

void EventHub::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (changed_.wait(lock, stop, [this] { return !queue_.empty(); })) pump(lock);
}

// A listener that changes something comes back here: its events wait for the loop that is at work already.
void EventHub::pump(std::unique_lock<std::mutex>& lock) {
  if (pumping_) return;
  pumping_ = true;
  while (!queue_.empty()) {
    const Item item = queue_.front();
    queue_.pop_front();
    std::erase_if(watches_, [](const auto& watch) { return watch.expired(); });
    const auto watches = watches_;
    lock.unlock();
    for (const auto& weak : watches)
      if (const auto watch = weak.lock()) watch->call(item);
    lock.lock();
  }
  pumping_ = false;
  changed_.notify_all();
}

}  // namespace sovirt::fakes
