#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::ctl {

// Reads a descriptor on a thread of its own, since it may be a file, which no loop can wait for, or the terminal of
// others too, which must not be made non-blocking. One block at a time: the next when the last has been taken.
class InputReader {
 public:
  // take: called on that thread; "" at the end.
  using Take = std::function<void(InputReader&, std::string)>;
  InputReader(int fd, Take take);
  ~InputReader();
  InputReader(const InputReader&) = delete;
  InputReader& operator=(const InputReader&) = delete;
  void next();   // from any thread

 private:
  void run();
  bool wait_readable();

  int fd_;
  Take take_;
  unique_fd stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = true, stopped_ = false;
  std::thread thread_;
};

}  // namespace sovirt::ctl
