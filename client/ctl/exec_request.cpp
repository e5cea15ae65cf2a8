#include "client/ctl/exec_request.hpp"

#include <unistd.h>

#include <cerrno>

#include "client/ctl/json_text.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

// All that a pipe holds. A terminal is not read: the command gets an empty standard input.
std::string own_stdin(const UsageError& too_much) {
  if (::isatty(STDIN_FILENO) == 1) return {};
  constexpr std::size_t most = 1U << 20;  // what the API takes as text
  std::string all;
  std::string block(65536, '\0');
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return all;  // closed by the caller counts as empty
    all.append(block, 0, static_cast<std::size_t>(count));
    if (all.size() > most) throw too_much;
  }
}

}  // namespace

std::vector<std::string> ExecOptions::command(const std::string& program) const {
  std::vector<std::string> all = words;
  all.insert(all.end(), tail.begin(), tail.end());
  if (all.empty()) throw UsageError("no command to run", "for example: " + program + " " + name + " -- ip a");
  return all;
}

std::chrono::nanoseconds ExecOptions::longest() const {
  return timeout ? duration_of("--timeout", *timeout) : std::chrono::nanoseconds(0);
}

void add_exec_options(Command& command, ExecOptions& options) {
  command.option("-e,--env", "KEY=VALUE", "an environment variable; may be repeated", options.env);
  command.option("--cwd", "DIR", "working directory", options.cwd);
  command.option("--user", "UID:GID", "who it runs as", options.user);
  command.option("--timeout", "TIME", "kill it after this time", options.timeout);
}

Json exec_body(const ExecOptions& options, const std::vector<std::string>& command, const UsageError& too_much) {
  Json body{{"command", command}};
  for (const std::string& word : options.env) {
    auto [key, value] = pair_of("--env", word);
    body["env"][key] = value;
  }
  if (options.cwd) body["cwd"] = *options.cwd;
  if (options.user) body["user"] = *options.user;
  if (options.timeout) body["timeout"] = static_cast<double>(options.longest().count()) / 1e9;
  if (!options.no_stdin)
    if (std::string input = own_stdin(too_much); !input.empty()) body["stdin"] = std::move(input);
  return body;
}

int exec_status(Session& session, const Json& result) {
  if (at(result, "/truncated") == true) session.note("sovirtctl: the output was longer than the daemon keeps, and was cut");
  if (at(result, "/timed_out") == true) {
    session.note("sovirtctl: the command did not end in time and was killed");
    return 9;
  }
  if (at(result, "/signal").is_number_integer()) return 128 + at(result, "/signal").get<int>();
  return at(result, "/exit_code").is_number_integer() ? at(result, "/exit_code").get<int>() : 1;
}

}  // namespace sovirt::ctl
