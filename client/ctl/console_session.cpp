#include "client/ctl/console_session.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>

#include "client/ctl/escape_keys.hpp"
#include "client/ctl/input_reader.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/raw_terminal.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/streams.hpp"

namespace sovirt::ctl {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds patience{60};   // for a daemon that is restarted
constexpr int pause_ms = 250;

std::string frame(char channel, std::string_view bytes) {
  std::string text(1, channel);
  text += bytes;
  return text;
}

class Console {
 public:
  Console(Session& session, const ConsoleRun& run)
      : session_(session), run_(run), signals_({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT}) {}

  int run() {
    connect();
    if (::isatty(STDIN_FILENO) == 1) {
      session_.note("(leave with Ctrl-A Q)");
      raw_.emplace(STDIN_FILENO);
    }
    for (;;) {
      sit();
      if (status_) break;
      say("the daemon is gone; waiting for it");
      if (!reconnect()) break;
      if (line_) say("connected again");
    }
    raw_.reset();
    if (!status_) throw Error(Code::unavailable, "the daemon does not come back");
    if (keys_.leaves()) std::fputs("\n", stderr);
    return *status_;
  }

 private:
  std::string target() const {
    client::Query query;
    if (position_) query.emplace_back("since", std::to_string(*position_));
    else if (run_.scrollback) query.emplace_back("scrollback", "true");
    if (run_.watches_only) query.emplace_back("read_only", "true");
    if (run_.takes_keyboard) query.emplace_back("take", "true");
    if (const auto extent = extent_of(STDIN_FILENO)) {
      query.emplace_back("rows", std::to_string(extent->rows));
      query.emplace_back("cols", std::to_string(extent->columns));
    }
    return client::with_query(client::path_of({"v1", "containers", run_.container, "console"}), query);
  }

  void connect() {
    line_ = session_.open_line(target(), "sovirt.exec.v1");
    const std::string begin = line_->header("X-Sovirt-Log-Begin");
    std::uint64_t offset = 0;
    std::from_chars(begin.data(), begin.data() + begin.size(), offset);
    position_ = offset;
    line_->on_message([this](std::string_view message) { on_message(message); });
    line_->on_readable(signals_.fd(), [this] { on_signals(); });
  }

  void sit() {
    std::optional<InputReader> input;
    if (!input_ended_ && (raw_ || !run_.watches_only))   // who only watches leaves by the same keys
      input.emplace(STDIN_FILENO, [this](InputReader& reader, std::string block) {
        line_->post([this, &reader, typed = std::move(block)] { on_typed(reader, typed); });
      });
    line_->run();
    input.reset();
    line_.reset();
  }

  void on_typed(InputReader& reader, const std::string& typed) {
    input_ended_ = typed.empty();
    const std::string passed = keys_.pass(typed);
    if (keys_.leaves()) return leave(0);
    if ((passed.empty() || run_.watches_only) && !input_ended_) reader.next();
    else if (!passed.empty()) line_->send(frame(0, passed), [&reader] { reader.next(); });
  }

  void on_message(std::string_view message) {
    if (message.empty()) return;
    const std::string_view bytes = message.substr(1);
    if (message[0] == 1) {
      position_ = *position_ + bytes.size();
      if (!write_all(STDOUT_FILENO, bytes, -1)) leave(128 + SIGPIPE);
    }
    if (message[0] == 2) on_notice(bytes);
    if (message[0] == 5) {
      say("the container has ended");
      leave(0);
    }
  }

  void on_notice(std::string_view text) {
    std::uint64_t left_out = 0;
    const std::string_view number = text.starts_with("sovirt: ") ? text.substr(8) : text;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), left_out);
    if (error == std::errc{} && std::string_view(end, number.data() + number.size()).starts_with(" bytes of output were left out")) position_ = *position_ + left_out;
    write_all(STDERR_FILENO, text, -1);
  }

  void on_signals() {
    while (const auto signal = signals_.next()) take_signal(*signal);
  }

  void take_signal(int signal) {
    if (signal == SIGCONT && raw_) raw_->again();
    if (signal != SIGWINCH && signal != SIGCONT) return leave(128 + signal);
    const auto extent = extent_of(STDIN_FILENO);
    if (line_ && extent) line_->send(frame(3, "{\"rows\":" + std::to_string(extent->rows) + ",\"cols\":" + std::to_string(extent->columns) + "}"));
  }

  void leave(int status) {
    if (!status_) status_ = status;
    if (line_) line_->stop();
  }

  // In raw mode a line's end does not bring the cursor back.
  void say(const std::string& text) const {
    if (!session_.globals().quiet) write_all(STDERR_FILENO, "\r\n[" + text + "]\r\n", -1);
  }

  // False: it has not come back. Leaving works meanwhile, too.
  bool reconnect() {
    const auto end = Clock::now() + patience;
    while (Clock::now() < end) {
      pause();
      if (status_) return true;
      try {
        connect();
        return true;
      } catch (const client::ConnectError&) {
        // Not there yet.
      } catch (const client::ApiError& refusal) {
        if (refusal.status() != 503) throw;
      } catch (const client::ProtocolError&) {
        // Cut off again.
      }
    }
    return false;
  }

  void pause() {
    const bool reads = raw_.has_value() && !input_ended_;
    std::array<pollfd, 2> polled{{{signals_.fd(), POLLIN, 0}, {reads ? STDIN_FILENO : -1, POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), pause_ms) <= 0) return;
    if (polled[0].revents != 0) on_signals();
    if (polled[1].revents == 0) return;
    std::array<char, 256> typed{};
    const ssize_t count = ::read(STDIN_FILENO, typed.data(), typed.size());
    keys_.pass({typed.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))});
    if (count <= 0) input_ended_ = true;
    if (keys_.leaves()) leave(0);
  }

  Session& session_;
  const ConsoleRun& run_;
  Signals signals_;
  std::unique_ptr<client::WebSocket> line_;
  std::optional<RawTerminal> raw_;
  EscapeKeys keys_;
  std::optional<std::uint64_t> position_;   // of the log, after what was shown
  std::optional<int> status_;
  bool input_ended_ = false;
};

}  // namespace

int run_console(Session& session, const ConsoleRun& run) { return Console(session, run).run(); }

}  // namespace sovirt::ctl
