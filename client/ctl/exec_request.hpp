#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "client/ctl/command.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

// What the commands that execute something have in common, in a container or in a namespace.
struct ExecOptions {
  std::string name;
  std::vector<std::string> words, tail, env;
  std::optional<std::string> cwd, user, timeout;
  bool no_stdin = false;

  std::vector<std::string> command(const std::string& program) const;   // program: "sovirtctl exec", for the hint
  std::chrono::nanoseconds longest() const;                             // 0: as long as it likes
};

void add_exec_options(Command&, ExecOptions&);   // its environment, directory, user and time

// The document of a request. With what a pipe on standard input holds; `too_much`: thrown where that is more than fits.
Json exec_body(const ExecOptions&, const std::vector<std::string>& command, const UsageError& too_much);
// The exit status that the result of such a request stands for; says beside it what was cut or killed.
int exec_status(Session&, const Json& result);

}  // namespace sovirt::ctl
