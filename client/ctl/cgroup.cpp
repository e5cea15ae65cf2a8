#include <memory>

#include "client/ctl/cgroup.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/limit_options.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

const std::string none_yet = "No cgroups. Create one with: sovirtctl cgroup create cpualta --cpu-shares 717";

struct CgroupOptions : LimitOptions {
  std::string name;
  std::optional<std::string> parent, frozen, policy;
  std::vector<std::string> labels;
  bool only_new = false;
};

std::string memory(const Json& cgroup) {
  const std::string used = size_text(at(cgroup, "/status/usage/memory_bytes")), most = size_text(at(cgroup, "/spec/memory/max"));
  return used.empty() || most.empty() ? used : used + "/" + most;
}

std::string share(const Json& cgroup) {
  const std::string shares = text(cgroup, "/spec/cpu/shares");
  return shares.empty() ? text(cgroup, "/spec/cpu/weight") : shares + " shares";
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      text_column("NAME", "/name"),
      {"STATE", [](const Json& c) { return state_cell(at(c, "/status/state")); }},
      {"PARENT", [](const Json& c) { return Cell(text(c, "/spec/parent")); }, 0, 5},
      {"WEIGHT", [](const Json& c) { return Cell(share(c)); }, 0, 8, true},
      {"CPU", [](const Json& c) { return Cell(time_text(at(c, "/status/usage/cpu_ns"))); }, 0, 7, true},
      {"MEMORY", [](const Json& c) { return Cell(memory(c)); }, 0, 6, true},
      {"PROCESSES", [](const Json& c) { return Cell(text(c, "/status/processes")); }, 0, 8, true},
      {"PATH", [](const Json& c) { return Cell(text(c, "/status/path")); }, 0, 1, false, true},
      {"LABELS", [](const Json& c) { return Cell(text(c, "/labels")); }, 0, 1, false, true},
      {"AGE", [](const Json& c) { return Cell(age(at(c, "/created_at"))); }, 0, 4, true}};
  return all;
}

Json body_of(const CgroupOptions& options) {
  Json body = limits_of(options);
  if (options.parent) body["parent"] = *options.parent;
  if (options.frozen) body["frozen"] = yes_no_of("--frozen", *options.frozen);
  if (options.policy) body["policy"] = *options.policy;
  return body;
}

std::string target_of(const std::string& name) { return client::path_of({"v1", "cgroups", name}); }

void make_create(Command& command) {
  auto options = std::make_shared<CgroupOptions>();
  command.positional("NAME", "its name, which is also its directory's", options->name);
  command.option("--parent", "NAME", "the cgroup it lies in", options->parent).of(Names::cgroups);
  add_limit_options(command, *options);
  command.option("--frozen", "yes|no", "stop its processes from running (default no)", options->frozen).among({"yes", "no"});
  command.option("--policy", "repair|observe", "what to do about limits that somebody else changes (default repair)", options->policy).among({"repair", "observe"});
  command.option("-l,--label", "KEY=VALUE", "a label; may be repeated", options->labels);
  command.flag("--new", "refuse if there is a cgroup of this name already", options->only_new);
  command.example("sovirtctl cgroup create cpualta --cpu-shares 717");
  command.example("sovirtctl cgroup create small --memory 64M --pids 20 --cpus 0.5");
  command.runs([options](Session& session) {
    Json body = body_of(*options);
    if (!options->labels.empty()) body["labels"] = labels_of(options->labels);
    const client::Headers only_new = options->only_new ? client::Headers{{"If-None-Match", "*"}} : client::Headers{};
    const auto answer = session.change("PUT", target_of(options->name), body, "creating cgroup " + options->name, only_new);
    if (answer) session.show_done("cgroup/" + options->name, answer->status == 201 ? "created" : "is as asked", answer->body);
    return 0;
  });
}

void make_set(Command& command) {
  auto options = std::make_shared<CgroupOptions>();
  command.positional("NAME", "name of the cgroup", options->name, Names::cgroups);
  add_limit_options(command, *options);
  command.option("--policy", "repair|observe", "what to do about limits that somebody else changes", options->policy).among({"repair", "observe"});
  command.option("-l,--label", "KEY=VALUE", "set a label, or remove it with KEY-; may be repeated", options->labels);
  command.about("Changes what is named and leaves the rest; its processes go on.");
  command.example("sovirtctl cgroup set cpualta --cpu-weight 70 --memory none");
  command.example("sovirtctl cgroup set small --memory 32M --on-excess kill");
  command.example("sovirtctl cgroup set small --pressure resource=memory,stall=150ms,window=2s");
  command.runs([options](Session& session) {
    Json body = body_of(*options);
    if (!options->labels.empty()) body["labels"] = label_changes(options->labels);
    if (body.empty()) throw UsageError("nothing to change was named", "'sovirtctl cgroup set --help' lists what can be changed");
    const auto answer = session.change("PATCH", target_of(options->name), body, "changing cgroup " + options->name);
    if (answer) session.show_done("cgroup/" + options->name, "changed", answer->body);
    return 0;
  });
}

void make_freeze(Command& command, bool frozen) {
  auto names = std::make_shared<std::vector<std::string>>();
  command.positionals("NAME", "names of cgroups", *names, Names::cgroups);
  command.example(frozen ? "sovirtctl cgroup freeze cpualta" : "sovirtctl cgroup thaw cpualta");
  command.runs([names, frozen](Session& session) {
    return for_each_name(session, *names, [&](const std::string& name) {
      const auto answer = session.change("PATCH", target_of(name), {{"frozen", frozen}}, (frozen ? "freezing cgroup " : "thawing cgroup ") + name);
      if (answer) session.show_done("cgroup/" + name, frozen ? "frozen" : "thawed", answer->body);
    });
  });
}

void make_kill(Command& command) {
  auto names = std::make_shared<std::vector<std::string>>();
  command.positionals("NAME", "names of cgroups", *names, Names::cgroups);
  command.about("Ends every process in them and in the cgroups that lie in them, at once and by SIGKILL.");
  command.example("sovirtctl cgroup kill cpualta");
  command.runs([names](Session& session) {
    return for_each_name(session, *names, [&](const std::string& name) {
      session.act("POST", target_of(name) + "/actions/kill", nullptr, "killing what is in cgroup " + name);
      session.show_done("cgroup/" + name, "has no processes any more");
    });
  });
}

void make_ls(Command& command) {
  auto filter = std::make_shared<ListFilter>();
  command.alias("list").example("sovirtctl cgroup ls -o wide");
  add_filter_options(command, *filter, true);
  command.runs([filter](Session& session) {
    session.show_list(session.get_all(list_target("cgroups", *filter)), columns(), none_yet);
    return 0;
  });
}

void make_show(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the cgroup", *name, Names::cgroups);
  command.example("sovirtctl cgroup show cpualta");
  command.runs([name](Session& session) {
    const Json cgroup = session.get(target_of(*name));
    session.show_page(cgroup, [&](Page& page) {
      page.title(ref_of(cgroup), state_cell(at(cgroup, "/status/state")));
      page.section("Cgroup");
      page.field("parent", text(cgroup, "/spec/parent"));
      page.field("path", text(cgroup, "/status/path"));
      page.field("processes", text(cgroup, "/status/processes"));
      page.field("memory", memory(cgroup));
      page.field("cpu time", time_text(at(cgroup, "/status/usage/cpu_ns")));
      page_controllers(page, at(cgroup, "/status/controllers"));
      page.conditions(cgroup);
      page.origin(cgroup);
    });
    return 0;
  });
}

}  // namespace

void add_cgroup(Command& root) {
  Command& cgroup = root.command("cgroup", "control groups: limits for any processes of this host").alias("cgroups").alias("cg");
  make_ls(cgroup.command("ls", "list the cgroups"));
  make_show(cgroup.command("show", "show one cgroup: limits asked and in force, with the kernel's files").alias("get"));
  make_create(cgroup.command("create", "create a cgroup, or bring it to what is asked"));
  make_set(cgroup.command("set", "change the limits of a cgroup"));
  make_freeze(cgroup.command("freeze", "stop the processes of cgroups from running"), true);
  make_freeze(cgroup.command("thaw", "let the processes of frozen cgroups go on"), false);
  make_kill(cgroup.command("kill", "end all processes of cgroups"));
  make_rm(cgroup.command("rm", "delete cgroups without processes").example("sovirtctl cgroup rm cpualta"), "cgroup", "cgroups", Names::cgroups);
  make_history(cgroup.command("history", "list its revisions and who made them").example("sovirtctl cgroup history cpualta"), "cgroup", "cgroups", Names::cgroups);
  make_revert(cgroup.command("revert", "bring back an earlier revision").example("sovirtctl cgroup revert cpualta 1"), "cgroup", "cgroups", Names::cgroups);
  add_cgroup_processes(cgroup);
}

}  // namespace sovirt::ctl
