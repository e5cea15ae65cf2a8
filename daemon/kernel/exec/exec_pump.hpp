#pragma once
#include <chrono>
#include <cstddef>
#include <functional>

#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/launcher.hpp"

namespace sovirt {

// Follows a command to its end: writes what it is to read, keeps what it says, and has it killed when its time is over,
// whatever it does. The time begins when the pump is made. Never raises SIGPIPE.
class ExecPump {
 public:
  // Our ends of its three pipes; made non-blocking here.
  struct Streams { unique_fd input, output, error_output; };

  // limit: bytes kept of either output. patience: for what was killed to be gone, Error{timed_out} after it.
  ExecPump(const ExecRequest&, std::size_t limit, std::chrono::seconds patience);

  // end: readable when ended() can tell how the command ended. kill() only begins the end.
  ExecResult run(Streams, int end, const std::function<void()>& kill, const std::function<ExitStatus()>& ended);

 private:
  bool is_over() const;
  int wait_ms() const;
  void on_deadline(const std::function<void()>& kill);
  void feed();
  void drain(unique_fd& from, std::string& to);

  const ExecRequest& request_;
  std::size_t limit_, fed_ = 0;
  std::chrono::seconds patience_;
  bool has_deadline_;
  std::chrono::steady_clock::time_point deadline_;
  Streams streams_;
  ExecResult result_;
};

}  // namespace sovirt
