// Processes of cgroups, one by one, and what they use.
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "api/cpu_list.hpp"
#include "client/ctl/cgroup.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

struct RunOptions {
  std::string name;
  std::optional<std::string> cpus;
  std::vector<std::string> command;
};

std::string processes_of(const std::string& name) { return client::path_of({"v1", "cgroups", name, "processes"}); }

std::set<unsigned> cpus_of(const std::string& text) {
  const auto list = parse_cpu_list(text);
  if (!list) throw UsageError("--cpus: '" + text + "' is not a list of CPUs such as 0-3,6");
  return *list;
}

void pin_to(const std::string& text) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned cpu : cpus_of(text)) {
    if (cpu >= CPU_SETSIZE) throw UsageError("--cpus: this program cannot pin to CPU " + std::to_string(cpu));
    CPU_SET(cpu, &set);
  }
  if (::sched_setaffinity(0, sizeof set, &set) != 0) throw errno_error("sched_setaffinity", "CPUs " + text);
}

void check_command(const RunOptions& options) {
  if (options.command.empty()) throw UsageError("no command was given", "for example: -- md5sum /dev/urandom");
  if (options.cpus) cpus_of(*options.cpus);
}

// The program itself is moved, and becomes the command: the terminal, job control and the exit status are the shell's.
int become(Session& session, const RunOptions& options) {
  check_command(options);
  session.act("POST", processes_of(options.name), {{"pid", ::getpid()}}, "entering cgroup " + options.name);
  if (options.cpus) pin_to(*options.cpus);
  std::fflush(nullptr);
  std::vector<std::string> words = options.command;
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  const int number = errno;
  std::fprintf(stderr, "sovirtctl: cannot execute %s: %s\n", options.command[0].c_str(), std::strerror(number));
  return number == ENOENT ? 127 : 126;   // as shells do
}

void add_run_options(Command& command, RunOptions& options) {
  command.positional("NAME", "name of the cgroup", options.name, Names::cgroups);
  command.option("--cpus", "LIST", "pin it to these CPUs, such as 0 or 0-3,6", options.cpus);
  command.tail("COMMAND", options.command);
}

void make_run(Command& command) {
  auto options = std::make_shared<RunOptions>();
  add_run_options(command, *options);
  command.about("Enters the cgroup and becomes the command, which so has this terminal, its signals and the shell's job control; the exit status is its own, 127 where it is not found.");
  command.example("sovirtctl cgroup run --cpus 0 cpualta -- md5sum /dev/urandom");
  command.runs([options](Session& session) { return become(session, *options); });
}

void make_spawn(Command& command) {
  auto options = std::make_shared<RunOptions>();
  add_run_options(command, *options);
  command.about("The daemon starts it in the background, with /dev/null as its input and output.");
  command.example("sovirtctl cgroup spawn --cpus 0 cpualta -- md5sum /dev/urandom");
  command.runs([options](Session& session) {
    check_command(*options);
    Json body{{"command", options->command}};
    if (options->cpus) body["cpus"] = *options->cpus;
    const Json answer = session.act("POST", processes_of(options->name), body, "starting it in cgroup " + options->name).body;
    session.show_done("cgroup/" + options->name, "runs process " + text(answer, "/items/0/pid"), answer);
    return 0;
  });
}

void make_attach(Command& command) {
  struct Options {
    std::string name;
    std::vector<std::string> pids;
    bool descendants = false;
  };
  auto options = std::make_shared<Options>();
  command.positional("NAME", "name of the cgroup", options->name, Names::cgroups);
  command.positionals("PID", "processes of this host", options->pids);
  command.flag("-d,--descendants", "and all that they have started", options->descendants);
  command.about("What a process starts after it was moved is in the cgroup with it.");
  command.example("sovirtctl cgroup attach cpubaja $$");
  command.runs([options](Session& session) {
    return for_each_name(session, options->pids, [&](const std::string& pid) {
      const Json body{{"pid", integer_of("PID", pid)}, {"descendants", options->descendants}};
      const Json answer = session.act("POST", processes_of(options->name), body, "moving process " + pid).body;
      const std::size_t count = at(answer, "/items").size();
      session.show_done("cgroup/" + options->name, "has process " + pid + (count > 1 ? " and " + std::to_string(count - 1) + " more" : ""), answer);
    });
  });
}

void make_release(Command& command) {
  struct Options {
    std::string name;
    std::vector<std::string> pids;
  };
  auto options = std::make_shared<Options>();
  command.positional("NAME", "name of the cgroup", options->name, Names::cgroups);
  command.positionals("PID", "processes in it", options->pids);
  command.example("sovirtctl cgroup release cpubaja $$");
  command.runs([options](Session& session) {
    return for_each_name(session, options->pids, [&](const std::string& pid) {
      session.act("DELETE", client::path_of({"v1", "cgroups", options->name, "processes", std::to_string(integer_of("PID", pid))}), nullptr, "moving process " + pid);
      session.show_done("cgroup/" + options->name, "has process " + pid + " no more");
    });
  });
}

std::string command_line(const Json& process) {
  std::string line;
  for (const Json& word : at(process, "/command")) line += (line.empty() ? "" : " ") + client::shell_quote(text(word));
  return line.empty() ? "[" + text(process, "/name") + "]" : line;
}

void make_ps(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the cgroup", *name, Names::cgroups);
  command.example("sovirtctl cgroup ps cpualta");
  command.runs([name](Session& session) {
    session.show_list(session.get(processes_of(*name)),
                      {{"PID", [](const Json& p) { return Cell(text(p, "/pid")); }, 0, 10, true},
                       {"UID", [](const Json& p) { return Cell(text(p, "/uid")); }, 0, 5, true},
                       {"COMMAND", [](const Json& p) { return Cell(command_line(p)); }, 10}},
                      "No processes.");
    return 0;
  });
}

// Every number of a part of the stats, sizes and times as people read them.
void page_part(Page& page, const Json& stats, const char* part) {
  const Json& values = at(stats, ("/" + std::string{part}).c_str());
  if (!values.is_object()) return;
  page.section(part);
  for (const auto& [key, value] : values.items()) {
    if (value.is_object()) {
      std::string line;
      for (const auto& [kind, one] : value.items()) line += (line.empty() ? "" : "; ") + kind + " " + text(one, "/avg10_percent") + "% of 10 s, " + time_text(at(one, "/total_ns")) + " in all";
      page.field(key, line);
    } else if (value.is_number()) {
      page.field(key, key.ends_with("_ns") ? time_text(value) : key.ends_with("bytes") ? size_text(value) : text(value));
    }
  }
}

}  // namespace

void make_stats(Command& command, const std::string& kind, const std::string& plural, Names names) {
  struct Options {
    std::string name;
    std::optional<std::string> window;
  };
  auto options = std::make_shared<Options>();
  command.positional("NAME", "name of the " + kind, options->name, names);
  command.option("--window", "TIME", "look twice, that far apart, and show rates too (10ms to 60s)", options->window);
  command.example("sovirtctl " + kind + " stats NAME --window 1s");
  command.runs([options, plural, kind](Session& session) {
    client::Query query;
    if (options->window) query.emplace_back("window", *options->window);
    const Json stats = session.get(client::with_query(client::path_of({"v1", plural, options->name, "stats"}), query), "measuring");
    session.show_page(stats, [&](Page& page) {
      page.title(kind + "/" + options->name, {});
      for (const char* part : {"rates", "cpu", "memory", "pids", "io", "pressure"}) page_part(page, stats, part);
    });
    return 0;
  });
}

void add_cgroup_processes(Command& cgroup) {
  make_ps(cgroup.command("ps", "list the processes of a cgroup"));
  make_run(cgroup.command("run", "run a command in a cgroup, in this terminal").alias("exec"));
  make_spawn(cgroup.command("spawn", "start a command in a cgroup, in the background"));
  make_attach(cgroup.command("attach", "move running processes into a cgroup"));
  make_release(cgroup.command("release", "move processes out of a cgroup"));
  make_stats(cgroup.command("stats", "what a cgroup uses: CPU, memory, processes, I/O, pressure"), "cgroup", "cgroups", Names::cgroups);
}

}  // namespace sovirt::ctl
