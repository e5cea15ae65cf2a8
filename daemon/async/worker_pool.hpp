#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace sovirt {

// The one door to blocking work: whatever may wait for the kernel, the disk or a process runs here and never on
// the event loop. Threads are made when work waits and no thread is free, at most `most`; one that has had nothing
// to do for `idle` ends, so that a daemon at rest has no thread that wakes up. The queue is not bounded: each
// connection has at most one job in it, and connections are bounded.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t most = 64, std::chrono::milliseconds idle = std::chrono::seconds{10});
  ~WorkerPool();  // as stop(), then waits for what still runs, however long
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // From any thread. False after stop(), or where not one thread can be had: the job is dropped without having run.
  // A job must not throw: what leaves it ends the process.
  bool post(std::function<void()> job);

  // Takes no more work, drops what is queued, and waits up to `grace` for what runs. Returns how many jobs still
  // do: a process that must end now may do so with _exit, since nothing but the journal decides what they were.
  std::size_t stop(std::chrono::milliseconds grace);

  std::size_t threads() const;  // alive now

 private:
  void work();
  bool spawn();  // with the mutex held

  const std::size_t most_;
  const std::chrono::milliseconds idle_;
  mutable std::mutex mutex_;
  std::condition_variable queued_, ended_;
  std::deque<std::function<void()>> queue_;
  std::size_t threads_ = 0, free_ = 0;
  bool stopping_ = false;
};

}  // namespace sovirt
