#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/link_values.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

const std::string none_yet =
    "No links. Create one with: sovirtctl link create l1 netns=nsserver,name=vethsrv,address=10.10.10.1/24 netns=nsclient,name=vethcli,address=10.10.10.2/24";

std::string place_of(const Json& end) {
  for (const char* place : {"netns", "bridge", "container"})
    if (end.is_object() && end.contains(place)) return std::string(place) + "/" + text(end.at(place));
  return "host";
}

std::string end_text(const Json& link, std::size_t index) {
  const Json& ends = at(link, "/status/endpoints");
  if (!ends.is_array() || ends.size() <= index) return {};
  const Json& end = ends[index];
  return place_of(end) + " " + text(end, "/name") + (at(end, "/parked") == true ? " (parked)" : "");
}

std::string addresses_of(const Json& link) {
  std::string out;
  for (const Json& end : at(link, "/spec/endpoints"))
    for (const Json& address : at(end, "/addresses")) out += (out.empty() ? "" : ", ") + text(address);
  return out;
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      text_column("NAME", "/name"),
      {"STATE", [](const Json& l) { return state_cell(at(l, "/status/state")); }},
      {"TYPE", [](const Json& l) { return Cell(text(l, "/spec/type")); }, 0, 3},
      {"END", [](const Json& l) { return Cell(end_text(l, 0)); }, 18, 9},
      {"OTHER END", [](const Json& l) { return Cell(end_text(l, 1)); }, 18, 9},
      {"ADDRESSES", [](const Json& l) { return Cell(addresses_of(l)); }, 14, 6},
      {"POLICY", [](const Json& l) { return Cell(text(l, "/spec/policy")); }, 0, 1, false, true},
      {"AGE", [](const Json& l) { return Cell(age(at(l, "/created_at"))); }, 0, 5, true}};
  return all;
}

std::string rate_text(const Json& rate) { return rate.is_number() ? text(rate) + " bit/s" : ""; }

void fill_page(Page& page, const Json& link) {
  page.title(ref_of(link), state_cell(at(link, "/status/state")));
  page.section("Link");
  page.field("type", text(link, "/spec/type"));
  page.field("policy", text(link, "/spec/policy"));
  const Json& ends = at(link, "/status/endpoints");
  page.section("Ends");
  page.table({{"IN", [](const Json& e) { return Cell(place_of(e)); }},
              text_column("NAME", "/name"),
              {"IFINDEX", [](const Json& e) { return Cell(text(e, "/ifindex")); }, 0, 0, true},
              {"UP", [](const Json& e) { return Cell(text(e, "/up")); }},
              {"MAC", [](const Json& e) { return Cell(text(e, "/mac")); }},
              {"MTU", [](const Json& e) { return Cell(text(e, "/mtu")); }, 0, 0, true},
              {"ADDRESSES", [](const Json& e) { return Cell(text(e, "/addresses")); }},
              {"SENDS AT MOST", [](const Json& e) { return Cell(rate_text(at(e, "/rate/egress"))); }}},
             ends.is_array() ? std::vector<Json>(ends.begin(), ends.end()) : std::vector<Json>{});
  page.conditions(link);
  page.origin(link);
}

struct Options {
  std::string name;
  std::vector<std::string> ends, labels;
  std::optional<std::string> type, policy, parent, mode, vni, remote, port, dev;
};

Json vxlan_of(const Options& options) {
  Json vxlan{{"id", integer_of("--vni", *options.vni)}};
  if (options.remote) vxlan["remote"] = *options.remote;
  if (options.port) vxlan["port"] = integer_of("--port", *options.port);
  if (options.dev) vxlan["dev"] = *options.dev;
  return vxlan;
}

Json body_of(const Options& options) {
  Json body{{"endpoints", Json::array()}};
  for (const std::string& end : options.ends) body["endpoints"].push_back(endpoint_of(end));
  if (options.type) body["type"] = *options.type;
  if (options.policy) body["policy"] = *options.policy;
  if (options.parent) body["parent"] = *options.parent;
  if (options.mode) body["mode"] = *options.mode;
  if (options.vni) body["vxlan"] = vxlan_of(options);
  if (!options.labels.empty()) body["labels"] = labels_of(options.labels);
  return body;
}

void make_create(Command& command) {
  auto options = std::make_shared<Options>();
  command.positional("NAME", "its name, at most 15 characters", options->name);
  command.positionals("END", "where each end is, and what it is like: netns=NAME, bridge=NAME, container=NAME or host, then name=, address=, mac=, mtu=, up=, egress=, ingress=",
                      options->ends);
  command.option("--type", "TYPE", "kind of link (default veth)", options->type).among({"veth", "vxlan", "macvlan", "dummy"});
  command.option("--parent", "IFACE", "of a macvlan: the host's interface beneath", options->parent);
  command.option("--mode", "MODE", "of a macvlan", options->mode).among({"bridge", "private", "vepa", "passthru"});
  command.option("--vni", "ID", "of a vxlan: its number", options->vni);
  command.option("--remote", "ADDRESS", "of a vxlan: the other host, or a group", options->remote);
  command.option("--port", "PORT", "of a vxlan: UDP port (default 4789)", options->port);
  command.option("--dev", "IFACE", "of a vxlan: the host's interface it goes through", options->dev);
  command.option("--policy", "POLICY", "what to do when somebody else changes it (default repair)", options->policy).among({"repair", "observe"});
  command.option("-l,--label", "KEY=VALUE", "a label; may be repeated", options->labels);
  command.about("A veth has two ends, the other types one. Rates are in bit/s, 10M is 10,000,000.");
  command.example("sovirtctl link create vethlab netns=nsserver,name=vethsrv,address=10.10.10.1/24 netns=nsclient,name=vethcli,address=10.10.10.2/24");
  command.example("sovirtctl link create uplink netns=nsserver,name=up0,egress=10M bridge=brso1");
  command.runs([options](Session& session) {
    const auto answer = session.change("PUT", client::path_of({"v1", "links", options->name}), body_of(*options), "creating link " + options->name);
    if (answer) session.show_done("link/" + options->name, answer->status == 201 ? "created" : "is as asked", answer->body);
    return 0;
  });
}

struct Change {
  std::string name, end;
  std::optional<std::string> mtu, mac, up, egress, ingress;
  std::vector<std::string> addresses;
  bool no_addresses = false;
};

void change_end(Json& end, const Change& change) {
  if (change.mtu) end["mtu"] = integer_of("--mtu", *change.mtu);
  if (change.mac) end["mac"] = *change.mac;
  if (change.up) end["up"] = yes_no_of("--up", *change.up);
  if (change.egress) end["rate"]["egress"] = rate_of("--egress", *change.egress);
  if (change.ingress) end["rate"]["ingress"] = rate_of("--ingress", *change.ingress);
  if (change.no_addresses) end["addresses"] = Json::array();
  if (!change.addresses.empty()) end["addresses"] = change.addresses;
}

void make_set(Command& command) {
  auto change = std::make_shared<Change>();
  command.positional("NAME", "name of the link", change->name, Names::links);
  command.positional("END", "name of the interface at the end that changes", change->end);
  command.option("-a,--address", "CIDR", "its addresses from now on; may be repeated", change->addresses);
  command.flag("--no-addresses", "take all addresses away", change->no_addresses);
  command.option("--mtu", "BYTES", "largest packet", change->mtu);
  command.option("--mac", "MAC", "its MAC address", change->mac);
  command.option("--up", "yes|no", "whether it is up", change->up).among({"yes", "no"});
  command.option("--egress", "RATE", "bit/s it may send, 0 for no limit", change->egress);
  command.option("--ingress", "RATE", "bit/s it may receive, 0 for no limit", change->ingress);
  command.about("Changes one end in place: the link is not made anew.");
  command.example("sovirtctl link set vethlab vethsrv --egress 10M --mtu 1400");
  command.runs([change](Session& session) {
    const std::string path = client::path_of({"v1", "links", change->name});
    const Json link = session.get(path);
    Json ends = at(link, "/spec/endpoints");
    bool found = false;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      const Json& shown = at(link, "/status/endpoints");
      if (shown.size() <= i || text(shown[i], "/name") != change->end) continue;
      found = true;
      change_end(ends[i], *change);
    }
    if (!found) throw UsageError("link " + change->name + " has no end named " + change->end, "'sovirtctl link show " + change->name + "' shows its ends");
    const client::Headers as_read{{"If-Match", "\"" + text(link, "/revision") + "\""}};
    const auto answer = session.change("PATCH", path, Json{{"endpoints", ends}}, "changing link " + change->name, as_read);
    if (answer) session.show_done("link/" + change->name, "changed", answer->body);
    return 0;
  });
}

void make_ls(Command& command) {
  auto filter = std::make_shared<ListFilter>();
  command.alias("list").example("sovirtctl link ls");
  add_filter_options(command, *filter, false);
  command.runs([filter](Session& session) {
    session.show_list(session.get_all(list_target("links", *filter)), columns(), none_yet);
    return 0;
  });
}

void make_show(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the link", *name, Names::links);
  command.example("sovirtctl link show vethlab");
  command.runs([name](Session& session) {
    const Json link = session.get(client::path_of({"v1", "links", *name}));
    session.show_page(link, [&](Page& page) { fill_page(page, link); });
    return 0;
  });
}

}  // namespace

void add_link(Command& root) {
  Command& link = root.command("link", "links between namespaces, bridges, containers and the host").alias("links");
  make_ls(link.command("ls", "list the links"));
  make_show(link.command("show", "show one link: its ends as the kernel has them").alias("get"));
  make_create(link.command("create", "create a link, or bring it to what is asked"));
  make_set(link.command("set", "change one end of a link"));
  make_rm(link.command("rm", "delete links").example("sovirtctl link rm vethlab"), "link", "links", Names::links);
  make_history(link.command("history", "list its revisions and who made them").example("sovirtctl link history vethlab"), "link", "links", Names::links);
  make_revert(link.command("revert", "bring back an earlier revision").example("sovirtctl link revert vethlab 1"), "link", "links", Names::links);
}

}  // namespace sovirt::ctl
