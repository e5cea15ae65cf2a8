#include <fcntl.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "client/ctl/help.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/parser.hpp"
#include "client/ctl/problem_text.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {
namespace {

void add_globals(Command& root, Globals& globals) {
  root.option("-o,--output", "FORMAT", "table (default), wide, json, yaml or name", globals.format_text).among({"table", "wide", "json", "yaml", "name"});
  root.flag("--dry-run", "print the steps that would be done, and change nothing", globals.dry_run);
  root.flag("--show-curl", "print the equivalent curl commands to stderr", globals.show_curl);
  root.option("--socket", "PATH", "the daemon's socket (default SOVIRT_SOCKET, then /run/sovirt/sovirt.sock)", globals.socket).of(Names::files);
  root.flag("--no-color", "no colour, as with NO_COLOR in the environment", globals.no_colour);
  root.flag("-q,--quiet", "print no progress, notes or confirmations", globals.quiet);
  root.flag("--version", "print the version", globals.version);
}

void fill(Command& root, Globals& globals) {
  root.about("Asks the daemon sovirtd on this host over its socket. KIND is a noun below, VERB what to do with it.");
  add_globals(root, globals);
  add_container(root);
  add_snapshot(root);
  add_bridge(root);
  add_netns(root);
  add_link(root);
  add_probe(root);
  add_address(root);
  add_image(root);
  add_cgroup(root);
  add_volume(root);
  add_template(root);
  add_operation(root);
  add_event(root);
  add_host(root);
  add_restore(root);
  add_audit(root);
  add_top(root);
  add_short_forms(root);
  root.example("sovirtctl bridge create brso1 --address 172.16.2.1/24");
  root.example("sovirtctl ls");
}

const char* plural_of(Names names) {
  switch (names) {
    case Names::bridges: return "bridges";
    case Names::containers: return "containers";
    case Names::netns: return "netns";
    case Names::links: return "links";
    case Names::images: return "images";
    case Names::templates: return "templates";
    case Names::operations: return "operations";
    case Names::cgroups: return "cgroups";
    case Names::none:
    case Names::files: break;
  }
  return nullptr;
}

// A shell that completes must not hang or print errors: whatever goes wrong, there are no names.
std::vector<std::string> names_of(const Globals& globals, Names kind) {
  std::vector<std::string> names;
  if (plural_of(kind) == nullptr) return names;
  try {
    client::ApiClient api(globals.socket.value_or(default_socket()));
    client::HttpWatch watch;
    watch.silence = std::chrono::milliseconds(800);
    api.watch(std::move(watch));
    const Json list = api.get(std::string("/v1/") + plural_of(kind));
    for (const Json& item : at(list, "/items")) names.push_back(text(item, kind == Names::operations ? "/id" : "/name"));
  } catch (const std::exception&) {
    names.clear();
  }
  return names;
}

// "__complete WORD…" and "__man" serve the completion scripts and the build; they are no commands for people.
int serve_tools(const Command& root, Globals& globals, const std::vector<std::string>& words) {
  if (words[0] == "__man") {
    std::fputs(man_page(root).c_str(), stdout);
    return 0;
  }
  const std::vector<std::string> typed(words.begin() + 1, words.end());
  const auto socket = std::find(typed.begin(), typed.end(), "--socket");
  if (typed.end() - socket > 2) globals.socket = *(socket + 1);
  std::fputs(complete(root, typed, [&](Names kind) { return names_of(globals, kind); }).c_str(), stdout);
  return 0;
}

int run_command(const Command& root, const Parsed& parsed, Globals& globals) {
  const Terminal out = examine_terminal(1, globals.no_colour);
  if (globals.version) {
    std::puts("sovirtctl " SOVIRT_VERSION);
    return 0;
  }
  if (parsed.help || parsed.command == &root) {
    std::fputs(help_text(*parsed.command, out).c_str(), stdout);
    return 0;
  }
  if (!parsed.command->run) {
    std::fputs(help_text(*parsed.command, examine_terminal(2, globals.no_colour)).c_str(), stderr);
    return static_cast<int>(Exit::usage);
  }
  if (globals.format_text) globals.format = format_from(*globals.format_text);
  Session session(globals);
  return parsed.command->run(session);
}

// One that the caller has closed would be given to a socket, and be taken for a stream of ours. Not to be written to.
void fill_missing_streams() {
  for (int fd = 0; fd < 3; ++fd)
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDONLY));
}

int run(const std::vector<std::string>& words) {
  Globals globals;
  globals.no_colour = std::find(words.begin(), std::find(words.begin(), words.end(), "--"), "--no-color") != std::find(words.begin(), words.end(), "--");
  Command root("sovirtctl", "manage containers, networks and images of this host");
  fill(root, globals);
  try {
    if (!words.empty() && (words[0] == "__complete" || words[0] == "__man")) return serve_tools(root, globals, words);
    const int status = run_command(root, parse(root, words), globals);
    if (std::fflush(stdout) != 0) throw errno_error("write", "standard output");
    return status;
  } catch (const std::exception& error) {
    std::fflush(stdout);
    const Failure failure = describe(error, examine_terminal(2, globals.no_colour).colour);
    std::fputs(failure.text.c_str(), stderr);
    return static_cast<int>(failure.status);
  }
}

}  // namespace
}  // namespace sovirt::ctl

int main(int argc, char** argv) {
  sovirt::ctl::fill_missing_streams();
  return sovirt::ctl::run(std::vector<std::string>(argv + 1, argv + argc));
}
