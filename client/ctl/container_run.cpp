#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>

#include "api/timestamp.hpp"
#include "client/ctl/container_parts.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

struct Verb {
  const char *desired, *doing, *done;
};

Verb verb_of(const std::string& verb) {
  if (verb == "stop") return {"stopped", "stopping ", "stopped"};
  if (verb == "freeze") return {"frozen", "freezing ", "frozen"};
  if (verb == "thaw") return {"running", "thawing ", "thawed"};
  return {"running", "starting ", "started"};
}

struct StateOptions {
  std::vector<std::string> names;
  std::optional<std::string> timeout, signal;
  bool force = false;
};

// "hup", "SIGHUP" and "HUP" are the same to people, and numbers are numbers.
std::string signal_name(std::string word) {
  for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return word.starts_with("SIG") ? word.substr(3) : word;
}

struct LogOptions {
  std::string name;
  std::optional<std::string> since;
  bool follow = false;
};

// A number is an offset, a time is one, and a length of time is that long ago.
std::string log_start(const std::optional<std::string>& since) {
  if (!since) return "0";
  if (since->find_first_not_of("0123456789") == std::string::npos || parse_rfc3339(*since)) return *since;
  const auto ago = std::chrono::milliseconds{std::llround(seconds_of("--since", *since) * 1000)};
  return rfc3339(now() - ago);
}

int follow_log(Session& session, const LogOptions& options) {
  const auto target = client::with_query(client::path_of({"v1", "containers", options.name, "log"}), {{"since", log_start(options.since)}, {"follow", "true"}});
  session.stream(target, "text/plain", [&](std::string_view bytes) {
    session.print(bytes);
    if (std::fflush(stdout) != 0) throw errno_error("write", "standard output");
    return true;
  });
  return 0;
}

// The daemon answers with what there is, at most a megabyte, and where that ends: the rest is asked for from there.
int log(Session& session, const LogOptions& options) {
  if (options.follow) return follow_log(session, options);
  std::string since = log_start(options.since);
  for (;;) {
    std::size_t got = 0;
    const auto target = client::with_query(client::path_of({"v1", "containers", options.name, "log"}), {{"since", since}});
    const auto response = session.stream(target, "text/plain", [&](std::string_view bytes) {
      got += bytes.size();
      session.print(bytes);
      return true;
    });
    if (std::fflush(stdout) != 0) throw errno_error("write", "standard output");
    const std::string end = response.header("x-sovirt-log-end");
    if (got == 0 || end.empty()) return 0;
    since = end;
  }
}

}  // namespace

void make_container_state(Command& command, const std::string& verb) {
  auto options = std::make_shared<StateOptions>();
  command.positionals("NAME", "containers to " + verb, options->names, Names::containers);
  if (verb == "stop") {
    command.option("-t,--timeout", "TIME", "how long to wait for its init before killing (default: the container's stop timeout)", options->timeout);
    command.flag("-f,--force", "kill at once", options->force);
  }
  command.example("sovirtctl " + verb + " sodebian");
  command.runs([options, verb](Session& session) {
    Json body{{"desired", verb_of(verb).desired}};
    if (options->force) body["force"] = true;
    if (options->timeout) body["timeout"] = seconds_of("--timeout", *options->timeout);
    return for_each_name(session, options->names, [&](const std::string& name) {
      const auto answer = session.change("PUT", client::path_of({"v1", "containers", name, "state"}), body, verb_of(verb).doing + name);
      if (answer) session.show_done("container/" + name, verb_of(verb).done, answer->body);
    });
  });
}

void make_container_restart(Command& command) {
  auto options = std::make_shared<StateOptions>();
  command.positionals("NAME", "containers to restart", options->names, Names::containers);
  command.option("-t,--timeout", "TIME", "how long to wait for its init before killing", options->timeout);
  command.example("sovirtctl restart sodebian");
  command.runs([options](Session& session) {
    Json body = Json::object();
    if (options->timeout) body["timeout"] = seconds_of("--timeout", *options->timeout);
    return for_each_name(session, options->names, [&](const std::string& name) {
      const auto answer = session.change("POST", client::path_of({"v1", "containers", name, "actions", "restart"}), body, "restarting " + name);
      if (answer) session.show_done("container/" + name, "restarted", answer->body);
    });
  });
}

void make_container_kill(Command& command) {
  auto options = std::make_shared<StateOptions>();
  command.positionals("NAME", "containers whose init gets the signal", options->names, Names::containers);
  command.option("-s,--signal", "SIGNAL", "a name such as HUP or RTMIN+3, or a number (default TERM)", options->signal);
  command.example("sovirtctl container kill sodebian --signal HUP");
  command.runs([options](Session& session) {
    const std::string signal = signal_name(options->signal.value_or("TERM"));
    return for_each_name(session, options->names, [&](const std::string& name) {
      session.act("POST", client::path_of({"v1", "containers", name, "actions", "kill"}), Json{{"signal", signal}}, "signalling " + name);
      session.show_done("container/" + name, "was sent " + signal);
    });
  });
}

void make_container_log(Command& command) {
  auto options = std::make_shared<LogOptions>();
  command.positional("NAME", "name of the container", options->name, Names::containers);
  command.flag("-f,--follow", "go on with what is written later, until it ends", options->follow);
  command.option("--since", "WHEN", "begin with what was written since: 10m ago, 2026-11-23T18:00:00Z, or an offset of the log", options->since);
  command.about("What the container wrote to its console, as it is.");
  command.example("sovirtctl logs sodebian");
  command.example("sovirtctl logs sodebian --since 10m --follow");
  command.runs([options](Session& session) { return log(session, *options); });
}

void make_container_rm(Command& command) {
  make_rm(command, "container", "containers", Names::containers);
  command.example("sovirtctl rm sodebian");
}

void add_container(Command& root) {
  Command& container = root.command("container", "containers: create, start, look into, delete").alias("containers");
  make_container_ls(container.command("ls", "list the containers"));
  make_container_show(container.command("show", "show one container: process, network, resources").alias("get"));
  make_container_create(container.command("create", "create a container, or bring it to what is asked"));
  make_container_set(container.command("set", "change a container"));
  make_container_state(container.command("start", "start containers"), "start");
  make_container_state(container.command("stop", "shut containers down"), "stop");
  make_container_restart(container.command("restart", "stop and start containers"));
  make_container_state(container.command("freeze", "suspend all processes of containers"), "freeze");
  make_container_state(container.command("thaw", "let frozen containers go on"), "thaw");
  make_container_kill(container.command("kill", "send a signal to a container's init"));
  make_container_exec(container.command("exec", "run a command in a container"));
  make_stats(container.command("stats", "what it uses: CPU, memory, processes, I/O, pressure"), "container", "containers", Names::containers);
  make_container_console(container.command("console", "sit at a container's console"));
  make_container_processes(container.command("processes", "list what runs in a container").alias("ps"));
  make_container_passwd(container.command("passwd", "set a password inside a container"));
  make_container_log(container.command("log", "print the console's log").alias("logs"));
  make_container_push(container.command("push", "put files and directories into a container"));
  make_container_pull(container.command("pull", "get files and directories out of a container"));
  add_container_file(container);
  make_container_copy(container.command("copy", "make another container with the same files").alias("clone"));
  make_container_rename(container.command("rename", "give a container another name"));
  make_container_mount(container.command("mount", "mount a directory of the host, a volume or a tmpfs in a container"));
  add_container_nic(container);
  make_container_unmount(container.command("unmount", "take a mount of a container away"));
  make_export(container.command("export", "write a container to a file"), "container", "containers", Names::containers);
  make_container_import(container.command("import", "make a container from such a file"));
  make_container_rm(container.command("rm", "delete containers and their files"));
  make_history(container.command("history", "list its revisions and who made them").example("sovirtctl container history sodebian"), "container", "containers", Names::containers);
  make_revert(container.command("revert", "bring back an earlier revision").example("sovirtctl container revert sodebian 1"), "container", "containers", Names::containers);
}

}  // namespace sovirt::ctl
