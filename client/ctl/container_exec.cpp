#include <unistd.h>

#include <cstdio>
#include <memory>

#include "client/ctl/exec_request.hpp"
#include "client/ctl/exec_session.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/raw_terminal.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

constexpr const char* program = "sovirtctl exec";

struct ContainerExec : ExecOptions {
  bool terminal = false, interactive = false, detach = false;
};

std::string path_of_exec(const ContainerExec& options) { return client::path_of({"v1", "containers", options.name, "exec"}); }

// One document at the end, for programs.
int exec_document(Session& session, const ContainerExec& options) {
  if (options.terminal) throw UsageError("a terminal cannot be shown as a document", "leave out -t or -o");
  const UsageError too_much("standard input has more than 1 MiB, which a document does not carry", "without -o json or yaml it may have any size");
  const Json body = exec_body(options, options.command(program), too_much);
  const client::Answer answer = session.act("POST", path_of_exec(options), body, "running " + text(body["command"][0]) + " in " + options.name);
  session.show_document(answer.body);
  return exec_status(session, answer.body);
}

client::Query exec_query(const ContainerExec& options) {
  client::Query query;
  for (const std::string& word : options.command(program)) query.emplace_back("command", word);
  if (options.terminal) {
    const Extent extent = extent_of(STDIN_FILENO).value_or(Extent{});
    query.emplace_back("tty", "true");
    query.emplace_back("rows", std::to_string(extent.rows));
    query.emplace_back("cols", std::to_string(extent.columns));
    // What the person sits at is what the program inside draws for.
    const char* kind = std::getenv("TERM");
    if (kind != nullptr && *kind != '\0') query.emplace_back("env", std::string("TERM=") + kind);
  }
  for (const std::string& word : options.env) {
    pair_of("--env", word);
    query.emplace_back("env", word);
  }
  if (options.cwd) query.emplace_back("cwd", *options.cwd);
  if (options.user) query.emplace_back("user", *options.user);
  if (options.detach) query.emplace_back("on_disconnect", "detach");
  return query;
}

int exec(Session& session, const ContainerExec& options) {
  if (!session.for_people() && session.globals().format != Format::name) return exec_document(session, options);
  ExecRun run;
  run.target = client::with_query(path_of_exec(options), exec_query(options));
  run.terminal = options.terminal;
  // A terminal is read for what has one itself, or where that is asked for: otherwise a command in a script that is
  // run by hand would wait for somebody to type.
  run.reads_input = !options.no_stdin && (options.terminal || options.interactive || ::isatty(STDIN_FILENO) != 1);
  run.timeout = options.longest();
  return run_exec(session, run);
}

}  // namespace

void make_container_exec(Command& command) {
  auto options = std::make_shared<ContainerExec>();
  command.positional("NAME", "name of the container", options->name, Names::containers);
  command.positionals("COMMAND", "command and arguments; put -- before it if it has options", options->words, Names::none, false);
  command.flag("-i,--interactive", "read standard input even if it is a terminal", options->interactive);
  command.flag("-t,--tty", "give it a terminal, and make ours its keyboard and screen", options->terminal);
  add_exec_options(command, *options);
  command.flag("--detach", "let it go on when this program ends before it", options->detach);
  command.flag("-n,--no-stdin", "do not read standard input, for use in loops", options->no_stdin);
  command.tail("COMMAND", options->tail);
  command.about("Sends standard input, unless it is a terminal, and exits with the command's status (128 + N if signal N ended it). "
                "With -t every key goes to the command, Ctrl-C too. With -o json or yaml one document tells all, at the end.");
  command.example("sovirtctl exec sodebian -- ip a");
  command.example("sovirtctl exec -it sodebian bash");
  command.example("tar c . | sovirtctl exec sodebian -- tar x -C /srv");
  command.runs([options](Session& session) { return exec(session, *options); });
}

}  // namespace sovirt::ctl
