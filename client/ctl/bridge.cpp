#include "client/ctl/bridge.hpp"

#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

const std::string none_yet = "No bridges. Create one with: sovirtctl bridge create brso1 --address 172.16.2.1/24";

std::string port_owner(const Json& port) {
  for (const char* kind : {"container", "netns", "host"})
    if (port.contains(kind)) return std::string(kind) + "/" + text(port.at(kind));
  return {};
}

std::string port_names(const Json& bridge) {
  std::string out;
  for (const Json& port : at(bridge, "/status/ports")) {
    const Json& container = at(port, "/container");
    out += (out.empty() ? "" : ", ") + text(container.is_null() ? at(port, "/name") : container);
  }
  return out;
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      text_column("NAME", "/name"),
      {"STATE", [](const Json& b) { return state_cell(at(b, "/status/state")); }},
      {"ADDRESSES", [](const Json& b) { return Cell(text(b, "/spec/addresses")); }, 18, 9},
      {"MTU", [](const Json& b) { return Cell(text(b, "/status/mtu")); }, 0, 3, true},
      {"MAC", [](const Json& b) { return Cell(text(b, "/status/mac")); }, 0, 4},
      {"STP", [](const Json& b) { return Cell(text(b, "/spec/stp")); }, 0, 1, false, true},
      {"PORTS", [](const Json& b) { return Cell(port_names(b)); }, 10, 8},
      {"NAT", [](const Json& b) { return Cell(text(b, "/spec/nat")); }, 0, 1, false, true},
      {"ISOLATION", [](const Json& b) { return Cell(text(b, "/spec/isolation")); }, 0, 1, false, true},
      {"POLICY", [](const Json& b) { return Cell(text(b, "/spec/policy")); }, 0, 2},
      {"LABELS", [](const Json& b) { return Cell(text(b, "/labels")); }, 0, 1, false, true},
      {"AGE", [](const Json& b) { return Cell(age(at(b, "/created_at"))); }, 0, 5, true}};
  return all;
}

void fill_page(Page& page, const Json& bridge) {
  page.title(ref_of(bridge), state_cell(at(bridge, "/status/state")));
  page.section("Bridge");
  page.field("addresses", text(bridge, "/status/addresses"));
  if (at(bridge, "/spec/addresses") != at(bridge, "/status/addresses")) page.field("asked for", {text(bridge, "/spec/addresses"), Style::warn});
  page.field("mac", text(bridge, "/status/mac"));
  page.field("mtu", text(bridge, "/status/mtu"));
  page.field("up", text(bridge, "/status/up"));
  page.field("stp", text(bridge, "/spec/stp"));
  page.field("address from", text(bridge, "/spec/address_from"));
  page.field("dhcp", text(bridge, "/spec/dhcp/enabled"));
  page.field("dns", text(bridge, "/spec/dns/enabled"));
  page.field("nat", text(bridge, "/spec/nat"));
  page.field("isolation", text(bridge, "/spec/isolation"));
  page.field("policy", text(bridge, "/spec/policy"));
  page.field("ifindex", text(bridge, "/status/ifindex"));
  const Json& ports = at(bridge, "/status/ports");
  if (ports.is_array() && !ports.empty()) {
    page.section("Ports");
    page.table({text_column("PORT", "/name"), {"OF", [](const Json& p) { return Cell(port_owner(p)); }, 12}}, std::vector<Json>(ports.begin(), ports.end()));
  }
  const Json& leases = at(bridge, "/status/leases");
  if (leases.is_array() && !leases.empty()) {
    page.section("Leases");
    page.table({text_column("ADDRESS", "/address"), text_column("MAC", "/mac"), text_column("NAME", "/name"), text_column("EXPIRES", "/expires_at")},
               std::vector<Json>(leases.begin(), leases.end()));
  }
  page.conditions(bridge);
  page.origin(bridge);
}

Json range_of(const std::string& text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string::npos) throw UsageError("--dhcp-range: '" + text + "' is not FIRST-LAST", "for example --dhcp-range 10.9.0.100-10.9.0.200");
  return Json::array({text.substr(0, dash), text.substr(dash + 1)});
}

std::string target_of(const BridgeOptions& options) {
  std::string target = client::path_of({"v1", "bridges", options.name});
  if (options.confirm_within) target += "?confirm_within=" + std::to_string(seconds_of("--confirm-within", *options.confirm_within));
  return target;
}

void make_confirm(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the bridge", *name, Names::bridges);
  command.about("Keeps a change that was made with --confirm-within, and would be undone otherwise.");
  command.example("sovirtctl bridge confirm lan");
  command.runs([name](Session& session) {
    const auto answer = session.change("POST", client::path_of({"v1", "bridges", *name, "actions", "confirm"}), Json(), "confirming bridge " + *name);
    if (answer) session.show_done("bridge/" + *name, "confirmed", answer->body);
    return 0;
  });
}

void add_spec_options(Command& command, BridgeOptions& options) {
  command.option("-a,--address", "CIDR", "an address of the host on this bridge, IPv4 or IPv6; may be repeated", options.addresses);
  command.option("--mtu", "BYTES", "largest packet, 68 to 65535 (default 1500)", options.mtu);
  command.option("--mac", "MAC", "its MAC address; generated and kept if not given", options.mac);
  command.option("--stp", "yes|no", "spanning tree protocol (default no)", options.stp).among({"yes", "no"});
  command.option("--nat", "yes|no", "what leaves the host from this bridge carries the host's address (default no)", options.nat).among({"yes", "no"});
  command.option("--isolation", "yes|no", "keep its containers from each other and from other bridges (default no)", options.isolation).among({"yes", "no"});
  command.option("--port", "INTERFACE", "an interface of this host as a port: its addresses and routes move to the bridge; may be repeated", options.ports);
  command.option("--address-from", "WHERE", "static; port: what the port had; dhcp: a DHCP server (default static)", options.address_from).among({"static", "port", "dhcp"});
  command.option("--dhcp", "yes|no", "lease addresses to whoever asks on the bridge (default no)", options.dhcp).among({"yes", "no"});
  command.option("--dhcp-range", "FIRST-LAST", "the addresses to lease (default: all of the subnet)", options.dhcp_range);
  command.option("--lease-time", "TIME", "how long a lease holds (default 1h)", options.lease_time);
  command.option("--dns", "yes|no", "answer for the names of containers (default no)", options.dns).among({"yes", "no"});
  command.option("--domain", "NAME", "domain of these names (default sovirt)", options.domain);
  command.option("--confirm-within", "TIME", "undo the change behind this time unless 'bridge confirm' comes first", options.confirm_within);
  command.option("--policy", "POLICY", "what to do when somebody else changes it (default repair)", options.policy).among({"repair", "observe"});
}

void make_create(Command& command) {
  auto options = std::make_shared<BridgeOptions>();
  command.positional("NAME", "its name, also the interface's: at most 15 characters", options->name);
  add_spec_options(command, *options);
  command.option("-l,--label", "KEY=VALUE", "a label; may be repeated", options->labels);
  command.flag("--new", "refuse if there is a bridge of this name already", options->only_new);
  command.example("sovirtctl bridge create brso1 --address 172.16.2.1/24");
  command.example("sovirtctl bridge create lab --address 10.9.0.1/24 --nat yes --dhcp yes --dns yes");
  command.example("sovirtctl bridge create lan --port enp0s3 --address-from port --confirm-within 30s");
  command.runs([options](Session& session) {
    const client::Headers only_new = options->only_new ? client::Headers{{"If-None-Match", "*"}} : client::Headers{};
    const auto answer = session.change("PUT", target_of(*options), bridge_body(*options), "creating bridge " + options->name, only_new);
    if (answer) session.show_done("bridge/" + options->name, answer->status == 201 ? "created" : "is as asked", answer->body);
    return 0;
  });
}

void make_set(Command& command) {
  auto options = std::make_shared<BridgeOptions>();
  command.positional("NAME", "name of the bridge", options->name, Names::bridges);
  add_spec_options(command, *options);
  command.flag("--no-addresses", "take all addresses away", options->no_addresses);
  command.flag("--no-ports", "give the host its interfaces back", options->no_ports);
  command.option("-l,--label", "KEY=VALUE", "set a label, or remove it with KEY-; may be repeated", options->labels);
  command.about("Changes what is named and leaves the rest. --address replaces the whole list.");
  command.example("sovirtctl bridge set brso1 --mtu 1400 --label room=lab");
  command.runs([options](Session& session) {
    const Json body = bridge_changes(*options);
    if (body.empty()) throw UsageError("nothing to change was named", "'sovirtctl bridge set --help' lists what can be changed");
    const auto answer = session.change("PATCH", target_of(*options), body, "changing bridge " + options->name);
    if (answer) session.show_done("bridge/" + options->name, "changed", answer->body);
    return 0;
  });
}

void make_ls(Command& command) {
  auto filter = std::make_shared<ListFilter>();
  command.alias("list").example("sovirtctl bridge ls -o wide");
  add_filter_options(command, *filter, false);
  command.runs([filter](Session& session) {
    session.show_list(session.get_all(list_target("bridges", *filter)), columns(), none_yet);
    return 0;
  });
}

void make_show(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the bridge", *name, Names::bridges);
  command.example("sovirtctl bridge show brso1");
  command.runs([name](Session& session) {
    const Json bridge = session.get(client::path_of({"v1", "bridges", *name}));
    session.show_page(bridge, [&](Page& page) { fill_page(page, bridge); });
    return 0;
  });
}

}  // namespace

Json bridge_body(const BridgeOptions& options) {
  Json body = bridge_changes(options);
  if (!options.labels.empty()) body["labels"] = labels_of(options.labels);
  return body;
}

Json bridge_changes(const BridgeOptions& options) {
  Json body = Json::object();
  if (!options.addresses.empty()) body["addresses"] = options.addresses;
  if (options.no_addresses) body["addresses"] = Json::array();
  if (options.mtu) body["mtu"] = integer_of("--mtu", *options.mtu);
  if (options.mac) body["mac"] = *options.mac;
  if (options.stp) body["stp"] = yes_no_of("--stp", *options.stp);
  if (options.nat) body["nat"] = yes_no_of("--nat", *options.nat);
  if (options.isolation) body["isolation"] = yes_no_of("--isolation", *options.isolation);
  if (!options.ports.empty()) body["ports"] = options.ports;
  if (options.no_ports) body["ports"] = Json::array();
  if (options.address_from) body["address_from"] = *options.address_from;
  if (options.dhcp) body["dhcp"]["enabled"] = yes_no_of("--dhcp", *options.dhcp);
  if (options.dhcp_range) body["dhcp"]["range"] = range_of(*options.dhcp_range);
  if (options.lease_time) body["dhcp"]["lease_time"] = seconds_of("--lease-time", *options.lease_time);
  if (options.dns) body["dns"]["enabled"] = yes_no_of("--dns", *options.dns);
  if (options.domain) body["dns"]["domain"] = *options.domain;
  if (options.policy) body["policy"] = *options.policy;
  if (!options.labels.empty()) body["labels"] = label_changes(options.labels);
  return body;
}

void add_bridge(Command& root) {
  Command& bridge = root.command("bridge", "bridges that containers are plugged into").alias("bridges");
  make_ls(bridge.command("ls", "list the bridges"));
  make_show(bridge.command("show", "show one bridge: addresses, ports, conditions").alias("get"));
  make_create(bridge.command("create", "create a bridge, or bring it to what is asked"));
  make_set(bridge.command("set", "change a bridge"));
  make_confirm(bridge.command("confirm", "keep a change that waits for it"));
  make_rm(bridge.command("rm", "delete bridges").example("sovirtctl bridge rm brso1"), "bridge", "bridges", Names::bridges);
  make_history(bridge.command("history", "list its revisions and who made them").example("sovirtctl bridge history brso1"), "bridge", "bridges", Names::bridges);
  make_revert(bridge.command("revert", "bring back an earlier revision").example("sovirtctl bridge revert brso1 1"), "bridge", "bridges", Names::bridges);
}

}  // namespace sovirt::ctl
