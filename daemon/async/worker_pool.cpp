#include "daemon/async/worker_pool.hpp"

#include <pthread.h>
#include <signal.h>

#include <system_error>
#include <thread>
#include <utility>

namespace sovirt {
namespace {

// Signals are for the threads that main has chosen: a worker that took SIGTERM would have to pass it on.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

WorkerPool::WorkerPool(std::size_t most, std::chrono::milliseconds idle) : most_(most == 0 ? 1 : most), idle_(idle) {}

WorkerPool::~WorkerPool() {
  stop(std::chrono::milliseconds{0});
  std::unique_lock lock{mutex_};
  ended_.wait(lock, [this] { return threads_ == 0; });
}

bool WorkerPool::post(std::function<void()> job) {
  {
    const std::lock_guard lock{mutex_};
    if (stopping_) return false;
    queue_.push_back(std::move(job));
    // A free thread that has been notified is still counted as free until it runs, so compare with the queue.
    if (queue_.size() > free_ && threads_ < most_ && !spawn() && threads_ == 0) {
      queue_.pop_back();
      return false;
    }
  }
  queued_.notify_one();
  return true;
}

bool WorkerPool::spawn() {
  try {
    const SignalsBlocked blocked;
    std::thread{[this] { work(); }}.detach();
  } catch (const std::system_error&) {  // EAGAIN: the threads there are have to do
    return false;
  }
  ++threads_;
  return true;
}

void WorkerPool::work() {
  std::unique_lock lock{mutex_};
  for (;;) {
    if (queue_.empty() && !stopping_) {
      ++free_;
      queued_.wait_for(lock, idle_, [this] { return stopping_ || !queue_.empty(); });
      --free_;
    }
    if (stopping_ || queue_.empty()) break;
    {
      auto job = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      job();
    }  // what the job holds is released before the lock is taken again
    lock.lock();
  }
  --threads_;
  // Notified with the mutex held: the destructor may free the condition the moment it is released.
  ended_.notify_all();
}

std::size_t WorkerPool::stop(std::chrono::milliseconds grace) {
  std::deque<std::function<void()>> dropped;
  std::unique_lock lock{mutex_};
  stopping_ = true;
  dropped.swap(queue_);
  queued_.notify_all();
  ended_.wait_for(lock, grace, [this] { return threads_ == 0; });
  const std::size_t left = threads_;
  lock.unlock();
  return left;
}

std::size_t WorkerPool::threads() const {
  const std::lock_guard lock{mutex_};
  return threads_;
}

}  // namespace sovirt
