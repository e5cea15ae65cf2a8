#include <cstdio>
#include <memory>

#include "client/ctl/exec_request.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

const std::string none_yet = "No network namespaces. Create one with: sovirtctl netns create nsserver";

// The interfaces beside lo, each with its addresses.
std::string interfaces_of(const Json& netns) {
  std::string out;
  for (const Json& one : at(netns, "/status/interfaces")) {
    if (at(one, "/name") == "lo") continue;
    out += (out.empty() ? "" : ", ") + text(one, "/name");
    for (const Json& address : at(one, "/addresses")) out += " " + text(address);
  }
  return out;
}

std::string count_of(const Json& list) { return list.is_array() ? std::to_string(list.size()) : ""; }

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      text_column("NAME", "/name"),
      {"STATE", [](const Json& n) { return state_cell(at(n, "/status/state")); }},
      {"INTERFACES", [](const Json& n) { return Cell(interfaces_of(n)); }, 24, 9},
      {"ROUTES", [](const Json& n) { return Cell(count_of(at(n, "/status/routes"))); }, 0, 3, true},
      {"PROCESSES", [](const Json& n) { return Cell(count_of(at(n, "/status/processes"))); }, 0, 4, true},
      {"INODE", [](const Json& n) { return Cell(text(n, "/status/inode")); }, 0, 1, true, true},
      {"LABELS", [](const Json& n) { return Cell(text(n, "/labels")); }, 0, 1, false, true},
      {"AGE", [](const Json& n) { return Cell(age(at(n, "/created_at"))); }, 0, 5, true}};
  return all;
}

std::string peer_text(const Json& one) {
  const Json& peer = at(one, "/peer");
  if (!peer.is_object()) return {};
  for (const char* place : {"netns", "container", "bridge"})
    if (peer.contains(place)) return std::string(place) + "/" + text(peer.at(place));
  return peer.contains("link") ? "host" : "";
}

std::vector<Json> rows(const Json& list) { return list.is_array() ? std::vector<Json>(list.begin(), list.end()) : std::vector<Json>{}; }

void fill_page(Page& page, const Json& netns) {
  page.title(ref_of(netns), state_cell(at(netns, "/status/state")));
  page.section("Network namespace");
  page.field("path", text(netns, "/status/path"));
  page.field("inode", text(netns, "/status/inode"));
  for (const auto& [key, value] : at(netns, "/spec/sysctls").items()) page.field(key, text(value));
  page.section("Interfaces");
  page.table({text_column("NAME", "/name"),
              {"UP", [](const Json& i) { return Cell(text(i, "/up")); }},
              {"MAC", [](const Json& i) { return Cell(text(i, "/mac")); }},
              {"MTU", [](const Json& i) { return Cell(text(i, "/mtu")); }, 0, 0, true},
              {"ADDRESSES", [](const Json& i) { return Cell(text(i, "/addresses")); }},
              {"PEER", [](const Json& i) { return Cell(peer_text(i)); }},
              {"RX", [](const Json& i) { return Cell(text(i, "/statistics/rx_bytes")); }, 0, 0, true},
              {"TX", [](const Json& i) { return Cell(text(i, "/statistics/tx_bytes")); }, 0, 0, true}},
             rows(at(netns, "/status/interfaces")));
  if (const auto routes = rows(at(netns, "/status/routes")); !routes.empty()) {
    page.section("Routes");
    page.table({text_column("TO", "/to"), text_column("VIA", "/via"), text_column("DEV", "/dev")}, routes);
  }
  for (const Json& waiting : at(netns, "/status/waiting")) page.field("waiting for", {text(waiting), Style::warn});
  if (const auto processes = rows(at(netns, "/status/processes")); !processes.empty()) {
    page.section("Processes");
    page.table({text_column("PID", "/pid"), text_column("NAME", "/name")}, processes);
  }
  page.conditions(netns);
  page.origin(netns);
}

struct Options {
  std::string name;
  std::vector<std::string> sysctls, routes, labels;
  std::optional<std::string> policy;
  bool adopt = false, no_routes = false;
};

// "default via 10.0.0.1", "10.2.0.0/16 dev eth0": as ip-route(8) writes them.
Json route_of(const std::string& line) {
  Json route = Json::object();
  std::size_t begin = 0;
  std::string key = "to";
  while (begin < line.size()) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    const std::string word = line.substr(begin, end - begin);
    begin = end + 1;
    if (word.empty()) continue;
    if (word == "via" || word == "dev") key = word;
    else if (route.contains(key)) throw UsageError("--route: \"" + line + "\" is not a route", "for example: --route 'default via 10.10.10.1'");
    else route[key] = word;
  }
  return route;
}

Json spec_of(const Options& options) {
  Json body = Json::object();
  for (const std::string& word : options.sysctls) {
    auto [key, value] = pair_of("--sysctl", word);
    body["sysctls"][key] = value;
  }
  if (options.no_routes) body["routes"] = Json::array();
  for (const std::string& line : options.routes) body["routes"].push_back(route_of(line));
  if (options.policy) body["policy"] = *options.policy;
  return body;
}

void add_spec_options(Command& command, Options& options) {
  command.option("--sysctl", "KEY=VALUE", "a setting of the network in it, such as net.ipv4.ip_forward=1; may be repeated", options.sysctls);
  command.option("--route", "ROUTE", "a route as ip-route writes it: 'default via 10.0.0.1'; may be repeated", options.routes);
  command.option("--policy", "POLICY", "what to do when somebody else changes it (default repair)", options.policy).among({"repair", "observe"});
}

void make_create(Command& command) {
  auto options = std::make_shared<Options>();
  command.positional("NAME", "its name, also the one that `ip netns` shows", options->name);
  add_spec_options(command, *options);
  command.option("-l,--label", "KEY=VALUE", "a label; may be repeated", options->labels);
  command.flag("--adopt", "take over a namespace of this name that is there, made by `ip netns add`", options->adopt);
  command.example("sovirtctl netns create nsserver");
  command.example("sovirtctl netns create router --sysctl net.ipv4.ip_forward=1");
  command.runs([options](Session& session) {
    Json body = spec_of(*options);
    body["adopt"] = options->adopt;
    if (!options->labels.empty()) body["labels"] = labels_of(options->labels);
    const auto answer = session.change("PUT", client::path_of({"v1", "netns", options->name}), body, "creating network namespace " + options->name);
    if (answer) session.show_done("netns/" + options->name, answer->status == 201 ? "created" : "is as asked", answer->body);
    return 0;
  });
}

void make_set(Command& command) {
  auto options = std::make_shared<Options>();
  command.positional("NAME", "name of the network namespace", options->name, Names::netns);
  add_spec_options(command, *options);
  command.flag("--no-routes", "take all routes away", options->no_routes);
  command.option("-l,--label", "KEY=VALUE", "set a label, or remove it with KEY-; may be repeated", options->labels);
  command.about("Changes what is named and leaves the rest. --route replaces the whole list.");
  command.example("sovirtctl netns set nsclient --route 'default via 10.10.10.1'");
  command.runs([options](Session& session) {
    Json body = spec_of(*options);
    if (!options->labels.empty()) body["labels"] = label_changes(options->labels);
    if (body.empty()) throw UsageError("nothing to change was named", "'sovirtctl netns set --help' lists what can be changed");
    const auto answer = session.change("PATCH", client::path_of({"v1", "netns", options->name}), body, "changing network namespace " + options->name);
    if (answer) session.show_done("netns/" + options->name, "changed", answer->body);
    return 0;
  });
}

void make_ls(Command& command) {
  auto filter = std::make_shared<ListFilter>();
  command.alias("list").example("sovirtctl netns ls -o wide");
  add_filter_options(command, *filter, false);
  command.runs([filter](Session& session) {
    session.show_list(session.get_all(list_target("netns", *filter)), columns(), none_yet);
    return 0;
  });
}

void make_show(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the network namespace", *name, Names::netns);
  command.example("sovirtctl netns show nsserver");
  command.runs([name](Session& session) {
    const Json netns = session.get(client::path_of({"v1", "netns", *name}));
    session.show_page(netns, [&](Page& page) { fill_page(page, netns); });
    return 0;
  });
}

void make_delete(Command& command) {
  struct Removal {
    std::vector<std::string> names;
    bool cascade = false;
  };
  auto removal = std::make_shared<Removal>();
  command.positionals("NAME", "network namespaces to delete", removal->names, Names::netns);
  command.flag("--cascade", "delete the links that end in them too", removal->cascade);
  command.alias("delete").example("sovirtctl netns rm nsserver --cascade");
  command.runs([removal](Session& session) {
    return for_each_name(session, removal->names, [&](const std::string& name) {
      const std::string path = client::path_of({"v1", "netns", name});
      const auto target = removal->cascade ? client::with_query(path, {{"cascade", "true"}}) : path;
      const auto answer = session.change("DELETE", target, nullptr, "deleting " + name);
      if (answer) session.show_done("netns/" + name, "deleted");
    });
  });
}

int exec(Session& session, const ExecOptions& options) {
  const Json body = exec_body(options, options.command("sovirtctl netns exec"),
                              UsageError("standard input has more than 1 MiB, which exec does not carry"));
  const client::Answer answer = session.act("POST", client::path_of({"v1", "netns", options.name, "exec"}), body, "running " + text(body["command"][0]) + " in " + options.name);
  if (session.for_people() || session.globals().format == Format::name) {
    session.print(text(answer.body, "/stdout"));
    const std::string errors = text(answer.body, "/stderr");
    std::fflush(stdout);
    std::fwrite(errors.data(), 1, errors.size(), stderr);
  } else {
    session.show_document(answer.body);
  }
  return exec_status(session, answer.body);
}

void make_exec(Command& command) {
  auto options = std::make_shared<ExecOptions>();
  command.positional("NAME", "name of the network namespace", options->name, Names::netns);
  command.positionals("COMMAND", "command and arguments; put -- before it if it has options", options->words, Names::none, false);
  add_exec_options(command, *options);
  command.flag("-n,--no-stdin", "do not read standard input, for use in loops", options->no_stdin);
  command.tail("COMMAND", options->tail);
  command.about("Sends standard input, unless it is a terminal, prints what the command has written when it has ended, and exits with its status (128 + N if signal N ended it).");
  command.example("sovirtctl netns exec nsserver -- ss -nat");
  command.runs([options](Session& session) { return exec(session, *options); });
}

void make_sockets(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the network namespace", *name, Names::netns);
  command.example("sovirtctl netns sockets nsserver");
  command.runs([name](Session& session) {
    const std::vector<Column> shown{text_column("PROTOCOL", "/protocol"), text_column("STATE", "/state"), text_column("LOCAL", "/local"),
                                    text_column("PEER", "/peer"),
                                    {"PROCESS", [](const Json& s) { return Cell(at(s, "/process").is_object() ? text(s, "/process/name") + "/" + text(s, "/process/pid") : ""); }}};
    session.show_list(session.get(client::path_of({"v1", "netns", *name, "sockets"})), shown, "No sockets in " + *name + ".");
    return 0;
  });
}

}  // namespace

void add_netns(Command& root) {
  Command& netns = root.command("netns", "network namespaces, the ones that `ip netns` shows too").alias("namespace");
  make_ls(netns.command("ls", "list the network namespaces"));
  make_show(netns.command("show", "show one: interfaces, routes, processes").alias("get"));
  make_create(netns.command("create", "create a network namespace, or bring it to what is asked"));
  make_set(netns.command("set", "change a network namespace"));
  make_exec(netns.command("exec", "run a command of the host in a network namespace"));
  make_sockets(netns.command("sockets", "list the TCP and UDP sockets in it, with their processes"));
  make_delete(netns.command("rm", "delete network namespaces"));
  make_history(netns.command("history", "list its revisions and who made them").example("sovirtctl netns history nsserver"), "netns", "netns", Names::netns);
  make_revert(netns.command("revert", "bring back an earlier revision").example("sovirtctl netns revert nsserver 1"), "netns", "netns", Names::netns);
}

}  // namespace sovirt::ctl
