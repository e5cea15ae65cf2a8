#include "daemon/kernel/process/terminals.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <nlohmann/json.hpp>

#include "daemon/base/error.hpp"
#include "daemon/base/pipe.hpp"
#include "daemon/kernel/process/console_watch.hpp"
#include "daemon/kernel/process/memory_file.hpp"
#include "daemon/kernel/process/monitor_client.hpp"
#include "daemon/launcher/process_file.hpp"

namespace sovirt::process {
namespace {

using Json = nlohmann::json;
constexpr int start_timeout_ms = 60'000;   // a command may have to be read from a slow disk

class Session final : public ExecSession {
 public:
  Session(unique_fd connection, std::string command) : connection_(std::move(connection)), command_(std::move(command)) {}

  // False: the monitor is older than sessions.
  bool start(const std::string& process_json, const SessionRequest&);
  // As such a monitor can: no terminal, signals are lost on it, and what cannot be executed is known at the end.
  void start_plain(const std::string& process_json);

  int input() const noexcept override { return has_terminal() ? output_.get() : input_.get(); }
  int output() const noexcept override { return output_.get(); }
  int errors() const noexcept override { return errors_.get(); }
  void close_input() noexcept override { input_.reset(); }
  int end_fd() const noexcept override { return connection_.get(); }
  std::optional<ExitStatus> end() override;
  bool has_terminal() const noexcept override { return terminal_; }
  void resize(WindowSize size) noexcept override {
    const winsize window{size.rows, size.columns, 0, 0};
    if (terminal_) ::ioctl(output_.get(), TIOCSWINSZ, &window);
  }
  void signal(int number) noexcept override {
    launch::send_message(connection_.get(), launch::Type::signal, launch::Signal{number});
  }

 private:
  void send_request(launch::Type, const unique_fd& process);
  bool take_start();
  void keep();
  void never_block() const;
  [[noreturn]] void fail(const launch::Failure&) const;

  unique_fd connection_, input_, output_, errors_;
  std::string command_;
  bool terminal_ = false;
};

bool Session::start(const std::string& process_json, const SessionRequest& request) {
  terminal_ = request.terminal.has_value();
  send_request(launch::Type::exec_session, memory_file(process_json));
  if (!take_start()) return false;
  if (terminal_ && !output_) throw Error{Code::internal, "the monitor gave no terminal"};
  if (request.keep) keep();
  never_block();
  return true;
}

void Session::start_plain(const std::string& process_json) {
  send_request(launch::Type::exec, memory_file(process_json));
  never_block();
}

// Nor does a signal wait for a monitor that is slow: from here on all is done on the event loop.
void Session::never_block() const {
  for (const unique_fd* fd : {&connection_, &input_, &output_, &errors_})
    if (*fd) set_nonblocking(*fd);
}

void Session::send_request(launch::Type type, const unique_fd& process) {
  bool sent = false;
  if (terminal_) {
    const int fds[] = {process.get()};
    sent = launch::send_message(connection_.get(), type, {}, fds);
  } else {
    Pipe input = make_pipe(), output = make_pipe(), errors = make_pipe();
    const int fds[] = {process.get(), input.read.get(), output.write.get(), errors.write.get()};
    sent = launch::send_message(connection_.get(), type, {}, fds);
    input_ = std::move(input.write);
    output_ = std::move(output.read);
    errors_ = std::move(errors.read);
  }
  if (!sent) throw Error{Code::conflict, "the container has ended"};
}

// The terminal, if there is to be one, then the word that it runs.
bool Session::take_start() {
  for (;;) {
    auto message = launch::receive_message(connection_.get(), start_timeout_ms);
    if (!message) return false;
    if (message->type == launch::Type::failed) fail(message->as<launch::Failure>());
    if (message->type == launch::Type::started) return true;
    if (message->type != launch::Type::terminal || message->fds.empty()) throw Error{Code::internal, "the monitor speaks nonsense"};
    check_terminal(message->fds[0].get());
    output_ = std::move(message->fds[0]);
  }
}

void Session::keep() {
  const int fds[] = {output_.get(), errors_.get()};
  const std::span<const int> given{fds, terminal_ ? 0u : 2u};
  if (!launch::send_message(connection_.get(), launch::Type::keep, {}, given)) throw Error{Code::conflict, "the container has ended"};
}

std::optional<ExitStatus> Session::end() {
  pollfd one{connection_.get(), POLLIN, 0};
  if (::poll(&one, 1, 0) != 1) return std::nullopt;
  const auto message = launch::receive_message(connection_.get(), -1);
  if (!message) throw Error{Code::conflict, "the container ended while it executed " + command_};
  if (message->type == launch::Type::failed) fail(message->as<launch::Failure>());
  if (message->type != launch::Type::exited) return std::nullopt;
  return from_wire(message->as<launch::Ended>());
}

void Session::fail(const launch::Failure& failure) const { throw exec_error(failure, command_); }

}  // namespace

unique_fd need_monitor(const RunDirectory& run, std::string_view uid) {
  if (unique_fd connection = connect_monitor(run, uid)) return connection;
  const auto processes = run.processes(uid);
  const bool runs = processes && !run.exit(uid) && launch::open_process(processes->init.pid, processes->init.start_ticks);
  if (!runs) throw Error{Code::conflict, "the container is not running"};
  throw Error{Code::conflict, "the container runs without its monitor"}.with_hint("restart the container");
}

Json exec_process(const RunDirectory& run, std::string_view uid, const ExecRequest& request) {
  const auto text = run.config(uid);
  const Json config = text ? Json::parse(*text, nullptr, false) : Json{};
  if (!config.is_object() || !config.contains("process")) throw Error{Code::internal, "config.json of the container is damaged"};
  Json process = config.at("process");
  process["terminal"] = false;
  process["args"] = request.command;
  if (!request.cwd.empty()) process["cwd"] = request.cwd;
  if (request.user) process["user"] = Json{{"uid", request.user->uid}, {"gid", request.user->gid}};
  std::vector<std::string> env;
  for (const auto& [name, value] : request.env) env.push_back(name + "=" + value);
  for (const Json& old : process.value("env", Json::array())) {
    const std::string variable = old.get<std::string>();
    if (!request.env.contains(variable.substr(0, variable.find('=')))) env.push_back(variable);
  }
  process["env"] = env;
  if (const Json& linux = config.value("linux", Json::object()); linux.contains("seccomp")) process["org.sovirt.seccomp"] = linux.at("seccomp");
  return process;
}

std::unique_ptr<ExecSession> ProcessTerminals::open_exec(std::string_view uid, const SessionRequest& request) {
  if (request.process.command.empty()) throw Error{Code::invalid, "there is nothing to execute"};
  auto session = std::make_unique<Session>(need_monitor(run_, uid), request.process.command.front());
  Json process = exec_process(run_, uid, request.process);
  if (request.terminal) {
    process["terminal"] = true;
    process["consoleSize"] = {{"height", request.terminal->rows}, {"width", request.terminal->columns}};
  }
  const std::string text = process.dump();
  if (session->start(text, request)) return session;
  if (request.terminal || request.keep)
    throw Error{Code::conflict, "the container has ended, or its monitor is older than this daemon and knows no terminals"}.with_hint(
        "restart the container to give it a new monitor");
  session = std::make_unique<Session>(need_monitor(run_, uid), request.process.command.front());
  session->start_plain(text);
  return session;
}

std::unique_ptr<ConsoleWatch> ProcessTerminals::watch_console(std::string_view uid) { return process::watch_console(need_monitor(run_, uid)); }

}  // namespace sovirt::process
