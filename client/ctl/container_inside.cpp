#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "daemon/base/error.hpp"

namespace sovirt::ctl {

namespace {

std::string command_of(const Json& process) {
  std::string line;
  for (const Json& word : at(process, "/command")) line += (line.empty() ? "" : " ") + text(word);
  return line.empty() ? "[" + text(process, "/name") + "]" : line;
}

std::string user_of(const Json& process) {
  const std::string name = text(process, "/user");
  return name.empty() ? text(process, "/uid") : name;
}

const std::vector<Column>& process_columns() {
  static const std::vector<Column> all{
      {"PID", [](const Json& p) { return Cell(text(p, "/inside_pid").empty() ? text(p, "/pid") : text(p, "/inside_pid")); }, 0, 10, true},
      {"HOST PID", [](const Json& p) { return Cell(text(p, "/pid")); }, 0, 8, true},
      {"USER", [](const Json& p) { return Cell(user_of(p)); }, 0, 8},
      {"STATE", [](const Json& p) { return Cell(text(p, "/state")); }, 0, 3},
      {"CPU", [](const Json& p) { return Cell(time_text(at(p, "/cpu_ns"))); }, 0, 6, true},
      {"MEMORY", [](const Json& p) { return Cell(size_text(at(p, "/memory_bytes"))); }, 0, 7, true},
      {"COMMAND", [](const Json& p) { return Cell(printable(command_of(p))); }, 12}};
  return all;
}

// Keys are not shown while it lives.
class Hidden {
 public:
  Hidden() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) throw errno_error("tcgetattr", "the terminal");
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~Hidden() { ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_); }
  Hidden(const Hidden&) = delete;
  Hidden& operator=(const Hidden&) = delete;

 private:
  termios before_{};
};

std::string read_line() {
  std::string line;
  if (!std::getline(std::cin, line) || line.empty()) throw UsageError("no password was given", "--generate makes one up");
  return line;
}

std::string ask_password(const std::string& user) {
  if (::isatty(STDIN_FILENO) != 1) return read_line();
  const Hidden hidden;
  std::fprintf(stderr, "New password of %s: ", user.c_str());
  std::string first = read_line();
  std::fputs("\nOnce more: ", stderr);
  const std::string second = read_line();
  std::fputs("\n", stderr);
  if (first != second) throw UsageError("these were two different passwords", "nothing was changed");
  return first;
}

int set_password(Session& session, const std::string& container, const std::string& user, bool generate) {
  Json body{{"user", user}, {"password", nullptr}};
  if (!generate) body["password"] = ask_password(user);
  const auto answer = session.act("POST", client::path_of({"v1", "containers", container, "actions", "passwd"}), body, "setting the password of " + user);
  if (!session.for_people() && session.globals().format != Format::name) {
    session.show_document(answer.body);
  } else if (generate) {
    session.note("The password of " + user + " in " + container + ", shown this once:");
    session.print(text(answer.body, "/password") + "\n");
  } else {
    session.show_done("container/" + container, "has a new password of " + user);
  }
  return 0;
}

}  // namespace

void make_container_processes(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the container", *name, Names::containers);
  command.example("sovirtctl ps sodebian");
  command.runs([name](Session& session) {
    session.show_list(session.get(client::path_of({"v1", "containers", *name, "processes"})), process_columns(), "Nothing runs in it.");
    return 0;
  });
}

void make_container_passwd(Command& command) {
  struct Options {
    std::string name;
    std::optional<std::string> user;
    bool generate = false;
  };
  auto options = std::make_shared<Options>();
  command.positional("NAME", "name of the container", options->name, Names::containers);
  command.option("-u,--user", "USER", "whose password (root)", options->user);
  command.flag("-g,--generate", "make one up and show it, once", options->generate);
  command.about("Sets a password inside the container, running or not. Asks for it, or takes a line of standard input that is no terminal.");
  command.example("sovirtctl passwd sodebian --generate");
  command.runs([options](Session& session) { return set_password(session, options->name, options->user.value_or("root"), options->generate); });
}

}  // namespace sovirt::ctl
