#pragma once
#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace sovirt::test {

// A child process for tests, killed and reaped at the end of its scope and dead with the test at the latest.
class Sleeper {
 public:
  enum class Work { sleep, count, multiply, chain };
  // multiply: makes children that sleep, as fast as it can, up to 64. chain: makes ten that wait until it is moved into
  // another group; then each forks the next and ends, a hundred times, in a session of its own each time. The last ones
  // sleep, at most 60 s. A thousand forks in all.
  explicit Sleeper(Work work = Work::sleep);
  ~Sleeper();
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  pid_t pid() const noexcept { return pid_; }
  void go();                                   // it does its work from now on; before, it only waits
  bool dead();                                 // has ended; reaps it
  std::uint64_t counted() const noexcept;      // grows while it runs, with Work::count

 private:
  struct Shared {
    std::atomic<bool> go{false};
    std::atomic<std::uint64_t> count{0};
  };
  pid_t pid_ = -1;
  Shared* shared_ = nullptr;
};

}  // namespace sovirt::test
