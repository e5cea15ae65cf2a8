#include <algorithm>
#include <functional>
#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

struct NicChange {
  std::string name, nic, values;
};

client::Headers only_if_unchanged(const Json& resource) { return {{"If-Match", "\"" + text(resource, "/revision") + "\""}}; }

// The list is changed as a whole, so the change holds only if nobody else has changed it meanwhile.
int change_nics(Session& session, const std::string& name, const std::function<void(Json& nics)>& edit, const std::string& done) {
  const std::string target = client::path_of({"v1", "containers", name});
  const Json resource = session.get(target);
  Json nics = at(resource, "/spec/nics").is_array() ? at(resource, "/spec/nics") : Json::array();
  edit(nics);
  const auto answer = session.change("PATCH", target, Json{{"nics", nics}}, "changing the interfaces of " + name, only_if_unchanged(resource));
  if (answer) session.show_done("container/" + name, done, answer->body);
  return 0;
}

Json& named(Json& nics, const std::string& container, const std::string& nic) {
  for (Json& one : nics)
    if (text(one, "/name") == nic) return one;
  throw Error(Code::not_found, "container/" + container + " has no interface " + nic).with_hint("'sovirtctl container nic ls " + container + "' lists them");
}

std::string leads_to(const Json& nic) {
  const std::string bridge = text(nic, "/bridge"), netns = text(nic, "/netns");
  return !bridge.empty() ? "bridge/" + bridge : !netns.empty() ? "netns/" + netns : "nothing";
}

std::string rate_text(const Json& nic, const char* pointer) {
  const Json& rate = at(nic, pointer);
  if (!rate.is_number()) return {};
  const auto bits = rate.get<std::uint64_t>();
  for (const auto& [unit, letter] : {std::pair{1'000'000'000ULL, "G"}, {1'000'000ULL, "M"}, {1'000ULL, "k"}})
    if (bits >= unit && bits % unit == 0) return std::to_string(bits / unit) + letter;
  return std::to_string(bits);
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      text_column("NAME", "/name"),
      {"LEADS TO", [](const Json& n) { return Cell(leads_to(n)); }, 8, 9},
      {"ADDRESSES", [](const Json& n) { return Cell(text(n, "/addresses")); }, 14, 9},
      {"MAC", [](const Json& n) { return Cell(text(n, "/mac")); }, 0, 6},
      {"MTU", [](const Json& n) { return Cell(text(n, "/mtu")); }, 0, 2, true},
      {"EGRESS", [](const Json& n) { return Cell(rate_text(n, "/rate/egress")); }, 0, 5, true},
      {"INGRESS", [](const Json& n) { return Cell(rate_text(n, "/rate/ingress")); }, 0, 5, true},
      {"UP", [](const Json& n) { return Cell(text(n, "/up")); }, 0, 7},
      {"HOST END", [](const Json& n) { return Cell(text(n, "/host_name")); }, 0, 1, false, true},
      {"IFINDEX", [](const Json& n) { return Cell(text(n, "/ifindex")); }, 0, 1, true, true}};
  return all;
}

void make_ls(Command& command) {
  auto change = std::make_shared<NicChange>();
  command.alias("list").positional("NAME", "name of the container", change->name, Names::containers);
  command.example("sovirtctl container nic ls sodebian");
  command.runs([change](Session& session) {
    const Json container = session.get(client::path_of({"v1", "containers", change->name}));
    Json items = at(container, "/status/nics");
    const Json& asked = at(container, "/spec/nics");
    for (std::size_t i = 0; i < items.size() && i < asked.size(); ++i)
      if (text(container, "/status/state") != "running") {   // what it will have
        items[i]["rate"] = at(asked[i], "/rate");
        items[i]["addresses"] = at(asked[i], "/addresses");
      }
    session.show_list(Json{{"items", items}}, columns(), "container/" + change->name + " has no interfaces beside lo. Add one with: sovirtctl container nic add " + change->name + " bridge=NAME");
    return 0;
  });
}

void make_add(Command& command) {
  auto change = std::make_shared<NicChange>();
  command.positional("NAME", "name of the container", change->name, Names::containers);
  command.positional("VALUES", "KEY=VALUE,… as --nic of create: bridge=, netns= or none=yes, name=, mac=, address= (or auto), gateway=, mtu=, dhcp=yes, egress=, ingress=, publish=", change->values);
  command.about("At once where the container runs, and at each of its starts.");
  command.example("sovirtctl container nic add sodebian bridge=brso1,name=eth1,address=auto,egress=10M,ingress=10M");
  command.runs([change](Session& session) {
    Json nic = nic_of(change->values);
    return change_nics(session, change->name, [&](Json& nics) { nics.push_back(std::move(nic)); }, "has one interface more");
  });
}

void make_set(Command& command) {
  auto change = std::make_shared<NicChange>();
  command.positional("NAME", "name of the container", change->name, Names::containers);
  command.positional("NIC", "name of the interface in it", change->nic);
  command.positional("VALUES", "KEY=VALUE,… of what is to change, as with add; address= and publish= replace all of their kind, none removes a rate", change->values);
  command.about("While the container runs it is changed in place: the interface stays the same one, unless it moves between the host and a netns.");
  command.example("sovirtctl container nic set sodebian eth0 egress=20M,mtu=1400");
  command.runs([change](Session& session) {
    const Json values = nic_changes_of(change->values);
    return change_nics(session, change->name, [&](Json& nics) {
      Json& nic = named(nics, change->name, change->nic);
      if (values.contains("bridge") || values.contains("netns") || values.contains("none"))
        for (const char* end : {"bridge", "netns", "none", "peer"}) nic.erase(end);
      for (const auto& [key, value] : values.items()) {
        if (key != "rate") nic[key] = value;
        else for (const auto& [side, rate] : value.items()) nic["rate"][side] = rate;
      }
    }, "has " + change->nic + " changed");
  });
}

void make_rm(Command& command) {
  auto change = std::make_shared<NicChange>();
  command.alias("remove").positional("NAME", "name of the container", change->name, Names::containers);
  command.positional("NIC", "name of the interface in it", change->nic);
  command.example("sovirtctl container nic rm sodebian eth1");
  command.runs([change](Session& session) {
    return change_nics(session, change->name, [&](Json& nics) {
      const Json& nic = named(nics, change->name, change->nic);
      nics.erase(static_cast<std::size_t>(&nic - &nics[0]));
    }, "has no " + change->nic + " any more");
  });
}

}  // namespace

void add_container_nic(Command& container) {
  Command& nic = container.command("nic", "network interfaces of a container, while it runs too");
  make_ls(nic.command("ls", "list them with addresses and rates"));
  make_add(nic.command("add", "add one"));
  make_set(nic.command("set", "change one"));
  make_rm(nic.command("rm", "take one away"));
}

}  // namespace sovirt::ctl
