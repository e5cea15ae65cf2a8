#pragma once
#include <cstdint>

// The voice of a cloned child on its way to execve. It shares nothing with anybody but may have been cloned while
// anything was locked, so nothing here or in child_*.cpp allocates, throws or returns after a failure.
namespace sovirt::launch::child {

class Reporter {
 public:
  explicit Reporter(int channel) noexcept : channel_(channel) {}

  [[noreturn]] void fail(int error, const char* stage, const char* object) const noexcept;
  // With errno of the call that gave `succeeded`.
  void must(bool succeeded, const char* stage, const char* object) const noexcept;
  void hand_over_console(int master) const noexcept;
  void about_to_execute() const noexcept;
  // The network namespace that comes with `go`, -1 if none does. Ends the process if the monitor is gone.
  int await_go() const noexcept;
  void close() noexcept;

 private:
  int channel_;
};

}  // namespace sovirt::launch::child
