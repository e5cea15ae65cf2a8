#include "daemon/kernel/process/exec_session.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "daemon/base/error.hpp"
#include "daemon/kernel/process/monitor_client.hpp"
#include "daemon/kernel/process/streams.hpp"

namespace sovirt::process {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kill_patience{15};   // for what was told to end to be gone

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

class Session {
 public:
  Session(unique_fd connection, const ExecRequest& request, std::size_t limit)
      : connection_(std::move(connection)), request_(request), limit_(limit), has_deadline_(request.timeout.count() > 0),
        deadline_(Clock::now() + request.timeout) {}

  ExecResult run(const std::string& process_json) {
    start(process_json);
    while (!ended_) step();
    // What it left running may hold the pipes for ever: only what is there already belongs to the result.
    drain(output_, result_.output);
    drain(error_output_, result_.error_output);
    return std::move(result_);
  }

 private:
  void start(const std::string& process_json) {
    Pipe input = make_pipe(), output = make_pipe(), error_output = make_pipe();
    const unique_fd process = memory_file(process_json);
    const int fds[] = {process.get(), input.read.get(), output.write.get(), error_output.write.get()};
    if (!launch::send_message(connection_.get(), launch::Type::exec, {}, fds))
      throw Error{Code::conflict, "the container has ended"};
    input_ = std::move(input.write);
    output_ = std::move(output.read);
    error_output_ = std::move(error_output.read);
    for (const unique_fd* fd : {&input_, &output_, &error_output_}) set_nonblocking(*fd);
    if (request_.input.empty()) input_.reset();
  }

  int wait_ms() const {
    if (!has_deadline_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
  }

  void step() {
    std::array<pollfd, 4> fds{pollfd{connection_.get(), POLLIN, 0}, pollfd{output_.get(), POLLIN, 0},
                              pollfd{error_output_.get(), POLLIN, 0}, pollfd{input_.get(), POLLOUT, 0}};
    const int ready = ::poll(fds.data(), fds.size(), wait_ms());
    if (ready < 0 && errno != EINTR) throw errno_error("poll");
    if (ready == 0 && has_deadline_ && Clock::now() >= deadline_) return on_deadline();
    if (ready <= 0) return;
    if (fds[1].revents) drain(output_, result_.output);
    if (fds[2].revents) drain(error_output_, result_.error_output);
    if (fds[3].revents) feed();
    if (fds[0].revents) on_answer();
  }

  void on_deadline() {
    if (result_.timed_out) throw Error{Code::timed_out, "what was executed does not end, even killed"};
    result_.timed_out = true;
    deadline_ = Clock::now() + kill_patience;
    // The monitor kills all of it when nobody can ask for more, and still tells how it ended.
    ::shutdown(connection_.get(), SHUT_WR);
  }

  void on_answer() {
    const auto message = launch::receive_message(connection_.get(), -1);
    ended_ = true;
    if (!message) throw Error{Code::conflict, "the container ended while it executed " + request_.command.front()};
    if (message->type == launch::Type::exited) result_.exit = from_wire(message->as<launch::Ended>());
    if (message->type == launch::Type::failed) fail(message->as<launch::Failure>());
  }

  [[noreturn]] void fail(const launch::Failure& failure) const { throw exec_error(failure, request_.command.front()); }

  void drain(unique_fd& from, std::string& to) {
    std::array<char, 16384> block;
    while (from) {
      const ssize_t size = ::read(from.get(), block.data(), block.size());
      if (size < 0 && errno == EINTR) continue;
      if (size == 0 || (size < 0 && errno != EAGAIN)) from.reset();
      if (size <= 0) return;
      const std::size_t room = limit_ > to.size() ? limit_ - to.size() : 0;
      const std::size_t taken = std::min(room, static_cast<std::size_t>(size));
      to.append(block.data(), taken);
      if (taken < static_cast<std::size_t>(size)) result_.truncated = true;
      // A command that writes without end must not keep us from its deadline.
      if (has_deadline_ && Clock::now() >= deadline_) return;
    }
  }

  void feed() {
    const std::size_t left = request_.input.size() - fed_;
    const ssize_t size = ::write(input_.get(), request_.input.data() + fed_, left);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (size > 0) fed_ += static_cast<std::size_t>(size);
    if (size < 0 || fed_ == request_.input.size()) input_.reset();   // EPIPE: it does not want more
  }

  unique_fd connection_, input_, output_, error_output_;
  const ExecRequest& request_;
  std::size_t limit_, fed_ = 0;
  bool has_deadline_, ended_ = false;
  Clock::time_point deadline_;
  ExecResult result_;
};

}  // namespace

ExecResult run_exec(unique_fd connection, const std::string& process_json, const ExecRequest& request, std::size_t limit) {
  const NoSigpipe guard;
  return Session{std::move(connection), request, limit}.run(process_json);
}

}  // namespace sovirt::process
