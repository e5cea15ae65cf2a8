#include "daemon/kernel/exec/exec_pump.hpp"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "daemon/base/error.hpp"
#include "daemon/base/pipe.hpp"

namespace sovirt {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int blocks_a_turn = 64;   // of 16 KiB: more than a pipe holds unless its size was raised by a privileged process

// A command that does not read its input is no reason for us to die; nor is it one to change the whole process.
class NoSigpipe {
 public:
  NoSigpipe() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    const timespec none{};
    while (::sigtimedwait(&pipe_, nullptr, &none) < 0 && errno == EINTR) {}
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_, before_;
};

}  // namespace

ExecPump::ExecPump(const ExecRequest& request, std::size_t limit, std::chrono::seconds patience)
    : request_(request), limit_(limit), patience_(patience), has_deadline_(request.timeout.count() > 0),
      deadline_(Clock::now() + request.timeout) {}

ExecResult ExecPump::run(Streams streams, int end, const std::function<void()>& kill, const std::function<ExitStatus()>& ended) {
  const NoSigpipe guard;
  streams_ = std::move(streams);
  for (const unique_fd* fd : {&streams_.input, &streams_.output, &streams_.error_output}) set_nonblocking(*fd);
  if (request_.input.empty()) streams_.input.reset();
  for (bool has_ended = false; !has_ended;) {
    std::array<pollfd, 4> fds{pollfd{end, POLLIN, 0}, pollfd{streams_.output.get(), POLLIN, 0},
                              pollfd{streams_.error_output.get(), POLLIN, 0}, pollfd{streams_.input.get(), POLLOUT, 0}};
    const int ready = ::poll(fds.data(), fds.size(), wait_ms());
    if (ready < 0 && errno != EINTR) throw errno_error("poll");
    if (is_over()) on_deadline(kill);   // also where there is always something to read
    if (ready <= 0) continue;
    if (fds[1].revents != 0) drain(streams_.output, result_.output);
    if (fds[2].revents != 0) drain(streams_.error_output, result_.error_output);
    if (fds[3].revents != 0) feed();
    if ((has_ended = fds[0].revents != 0)) result_.exit = ended();
  }
  // What it left running may hold the pipes for ever: only what is there already belongs to the result.
  drain(streams_.output, result_.output);
  drain(streams_.error_output, result_.error_output);
  return std::move(result_);
}

bool ExecPump::is_over() const { return has_deadline_ && Clock::now() >= deadline_; }

int ExecPump::wait_ms() const {
  if (!has_deadline_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

void ExecPump::on_deadline(const std::function<void()>& kill) {
  if (result_.timed_out) throw Error{Code::timed_out, "what was executed does not end, even killed"};
  result_.timed_out = true;
  deadline_ = Clock::now() + patience_;
  kill();
}

void ExecPump::feed() {
  const ssize_t size = ::write(streams_.input.get(), request_.input.data() + fed_, request_.input.size() - fed_);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size > 0) fed_ += static_cast<std::size_t>(size);
  if (size < 0 || fed_ == request_.input.size()) streams_.input.reset();   // EPIPE: it does not want more
}

// Not for ever: what writes without end must keep us neither from its deadline nor from its end.
void ExecPump::drain(unique_fd& from, std::string& to) {
  std::array<char, 16384> block;
  for (int turn = 0; from && turn < blocks_a_turn; ++turn) {
    const ssize_t size = ::read(from.get(), block.data(), block.size());
    if (size < 0 && errno == EINTR) continue;
    if (size == 0 || (size < 0 && errno != EAGAIN)) from.reset();
    if (size <= 0) return;
    const std::size_t taken = std::min(limit_ > to.size() ? limit_ - to.size() : 0, static_cast<std::size_t>(size));
    to.append(block.data(), taken);
    if (taken < static_cast<std::size_t>(size)) result_.truncated = true;
  }
}

}  // namespace sovirt
