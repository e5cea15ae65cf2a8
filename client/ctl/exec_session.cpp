#include "client/ctl/exec_session.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "client/ctl/input_reader.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/problem_text.hpp"
#include "client/ctl/raw_terminal.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/streams.hpp"
#include "client/lib/web_socket.hpp"

namespace sovirt::ctl {

namespace {

enum Channel : char { to_input = 0, output = 1, errors = 2, resize = 3, to_signal = 4, ended = 5 };

std::string frame(Channel channel, std::string_view bytes) {
  std::string text(1, channel);
  text += bytes;
  return text;
}

class Run {
 public:
  Run(Session& session, const ExecRun& run)
      : session_(session), run_(run), line_(session.open_line(run.target, "sovirt.exec.v1")),
        signals_({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT}) {
    line_->on_message([this](std::string_view message) { on_message(message); });
    line_->on_readable(signals_.fd(), [this] { on_signal(); });
    if (run_.timeout.count() > 0) arm_timeout();
  }

  int run() {
    if (run_.terminal && ::isatty(STDIN_FILENO) == 1) {
      raw_.emplace(STDIN_FILENO);
      send_extent();
    }
    std::optional<InputReader> input;
    if (run_.reads_input) input.emplace(STDIN_FILENO, [this](InputReader& reader, std::string block) { take_input(std::move(block), reader); });
    else line_->send(frame(to_input, ""));
    const client::WebSocket::End end = line_->run();
    input.reset();
    raw_.reset();
    if (status_) return *status_;
    throw Error(Code::unavailable, end.code == 1001 ? "the daemon was stopped" : end.reason.empty() ? "the daemon has ended the session" : end.reason);
  }

 private:
  void take_input(std::string block, InputReader& input) {
    const auto bytes = std::make_shared<std::string>(frame(to_input, block));
    const bool more = !block.empty();
    line_->post([this, bytes, more, &input] {
      line_->send(std::move(*bytes), more ? [&input] { input.next(); } : std::function<void()>());
    });
  }

  void on_message(std::string_view message) {
    if (message.empty()) return;
    const std::string_view bytes = message.substr(1);
    if (message[0] == output) write(STDOUT_FILENO, bytes);
    if (message[0] == errors) write(STDERR_FILENO, bytes);
    if (message[0] != ended) return;
    const Json end = Json::parse(bytes, nullptr, false);
    const Json& signal = at(end, "/signal");
    const Json& code = at(end, "/code");
    if (!status_) status_ = signal.is_number_integer() ? 128 + signal.get<int>() : code.is_number_integer() ? code.get<int>() : 1;
  }

  // Nobody reads our output any more: then nobody wants the command either.
  void write(int fd, std::string_view bytes) {
    if (write_all(fd, bytes, run_.terminal ? -1 : signals_.fd())) return;
    if (!status_) status_ = 128 + SIGPIPE;
    line_->stop();
  }

  void on_signal() {
    while (const auto signal = signals_.next()) {
      if (*signal == SIGWINCH) send_extent();
      else if (*signal == SIGCONT) {
        if (raw_) raw_->again();
        send_extent();
      } else if (!run_.terminal && !asked_to_end_) {
        // Once it is passed on, as from a terminal; who sends a second one wants an end.
        asked_to_end_ = *signal != SIGQUIT;
        line_->send(frame(to_signal, std::to_string(*signal)));
      } else {
        status_ = 128 + *signal;
        line_->stop();
      }
    }
  }

  void send_extent() {
    if (!run_.terminal) return;
    if (const auto extent = extent_of(STDIN_FILENO))
      line_->send(frame(resize, "{\"rows\":" + std::to_string(extent->rows) + ",\"cols\":" + std::to_string(extent->columns) + "}"));
  }

  void arm_timeout() {
    timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    itimerspec when{};
    when.it_value.tv_sec = run_.timeout.count() / 1'000'000'000;
    when.it_value.tv_nsec = run_.timeout.count() % 1'000'000'000;
    if (!timer_ || ::timerfd_settime(timer_.get(), 0, &when, nullptr) != 0) throw errno_error("timerfd_settime");
    line_->on_readable(timer_.get(), [this] {
      session_.note("sovirtctl: the command did not end in time and was killed");
      status_ = static_cast<int>(Exit::ended_early);
      line_->stop();
    });
  }

  Session& session_;
  const ExecRun& run_;
  std::unique_ptr<client::WebSocket> line_;
  Signals signals_;
  unique_fd timer_;
  std::optional<RawTerminal> raw_;
  std::optional<int> status_;
  bool asked_to_end_ = false;
};

}  // namespace

int run_exec(Session& session, const ExecRun& run) { return Run(session, run).run(); }

}  // namespace sovirt::ctl
