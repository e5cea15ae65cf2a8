#include "daemon/domain/bridge_uplinks.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "daemon/domain/ids.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

Json uplinks_of(const Resource& bridge) { return bridge.facts.value("uplinks", Json::object()); }

// What the bridge itself gets of what the port had.
Belongings share(const BridgeSpec& spec, const Belongings& had, const Uplinks& uplinks) {
  switch (spec.address_from) {
    case AddressFrom::port: return had;
    case AddressFrom::fixed: return uplinks.reachable(had, spec.addresses);   // the gateway the addresses are for
    case AddressFrom::dhcp: return {};
  }
  return {};
}

}  // namespace

Json write_belongings(const Belongings& all) {
  Json addresses = Json::array();
  for (const Cidr& cidr : all.addresses) addresses.push_back(cidr.text());
  return {{"addresses", std::move(addresses)}, {"address_data", all.address_data}, {"route_data", all.route_data}};
}

Belongings read_belongings(const Json& json) {
  Belongings all;
  for (const Json& address : json.at("addresses")) all.addresses.push_back(Cidr::parse(address.get<std::string>()).value());
  all.address_data = json.at("address_data").get<std::vector<std::string>>();
  all.route_data = json.at("route_data").get<std::vector<std::string>>();
  return all;
}

void BridgeUplinks::complete(Resource& wanted, const BridgeSpec& spec, const Resource* before) const {
  const Json known = before ? uplinks_of(*before) : Json::object();
  const auto bridge = network_.find_link(wanted.name);
  Json uplinks = Json::object();
  for (const std::string& port : spec.ports) {
    const auto link = network_.find_link(port);
    const bool joined = link && bridge && link->master == bridge->ifindex;
    if (known.contains(port) && (joined || !link)) uplinks[port] = known.at(port);
    else if (link) uplinks[port] = {{"had", write_belongings(uplinks_.belongings(port))}, {"up", link->up}, {"mac", link->mac.text()}};
  }
  const bool adopts = spec.address_from != AddressFrom::fixed && !spec.ports.empty() && uplinks.contains(spec.ports.front());
  if (adopts && !wanted.facts.contains("own_mac")) {
    wanted.facts["own_mac"] = wanted.facts.at("mac");
    wanted.facts["mac"] = uplinks.at(spec.ports.front()).at("mac");
  } else if (!adopts && wanted.facts.contains("own_mac")) {
    wanted.facts["mac"] = wanted.facts.at("own_mac");
    wanted.facts.erase("own_mac");
  }
  if (uplinks.empty()) wanted.facts.erase("uplinks");
  else wanted.facts["uplinks"] = std::move(uplinks);
}

void BridgeUplinks::check(const Resource& wanted, const BridgeSpec& spec) const {
  const auto bridge = network_.find_link(wanted.name);
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    const std::string& port = spec.ports[i], pointer = "/ports/" + std::to_string(i);
    if (port == wanted.name) throw field_error(pointer, "conflict", "a bridge cannot be a port of itself");
    const auto link = network_.find_link(port);
    if (!link) throw Error{Code::not_found, "there is no interface " + port}.with_fields({{pointer, "not-found", "no such interface"}});
    if (!link->mark.empty()) throw Error{Code::conflict, port + " is an interface of sovirt's own, not a NIC of the host"}.with_fields({{pointer, "conflict", "is sovirt's"}});
    if (link->kind == "bridge") throw field_error(pointer, "conflict", port + " is a bridge, which cannot be a port of another");
    if (link->master != 0 && (!bridge || link->master != bridge->ifindex))
      throw Error{Code::conflict, port + " is a port of another interface already"}
          .with_fields({{pointer, "conflict", "is a port already"}})
          .with_hint("see `ip -d link show " + port + "`; `ip link set " + port + " nomaster` frees it");
  }
}

Json BridgeUplinks::join_args(const Resource& bridge, const BridgeSpec& spec, const std::string& port, const Json& had) const {
  const Belongings all = read_belongings(had.at("had"));
  return {{"bridge", bridge.name}, {"port", port}, {"up", had.at("up")}, {"take", had.at("had")}, {"give", write_belongings(share(spec, all, uplinks_))}};
}

Json BridgeUplinks::leave_args(const Resource& bridge, const std::string& port) const {
  const Json known = uplinks_of(bridge);
  if (!known.contains(port)) return {{"bridge", bridge.name}, {"port", port}, {"up", true}, {"take", write_belongings({})}, {"give", write_belongings({})}};
  return join_args(bridge, read_bridge_spec(bridge.spec), port, known.at(port));
}

void BridgeUplinks::plan_leave(const Resource& wanted, const Entry* before, Plan& plan) const {
  if (!before) return;
  const auto bridge = network_.find_link(wanted.name);
  const auto wants = read_bridge_spec(wanted.spec).ports;
  for (const std::string& port : read_bridge_spec(before->resource.spec).ports) {
    if (std::find(wants.begin(), wants.end(), port) != wants.end()) continue;
    const auto link = network_.find_link(port);
    if (link && bridge && link->master == bridge->ifindex)
      plan.add("uplink.leave", leave_args(before->resource, port), "take " + port + " out of " + wanted.name + " and give it back what it had", true);
  }
}

void BridgeUplinks::plan_join(const Resource& wanted, const BridgeSpec& spec, const LinkState* bridge, Plan& plan) const {
  const Json known = uplinks_of(wanted);
  for (const std::string& port : spec.ports) {
    const auto link = network_.find_link(port);
    if (!link) throw Error{Code::conflict, "interface " + port + ", a port of " + wanted.name + ", is not there"};
    if (bridge && link->master == bridge->ifindex && link->up) continue;
    if (link->master != 0 && (!bridge || link->master != bridge->ifindex))
      throw Error{Code::conflict, port + " has become a port of another interface"};
    // It may have been given addresses since, by the host's own configuration after a boot: those count, not what was.
    const Belongings has = uplinks_.belongings(port);
    const bool use_known = has.empty() && known.contains(port);
    const Json had = use_known ? known.at(port) : Json{{"had", write_belongings(has)}, {"up", link->up}};
    plan.add("uplink.join", join_args(wanted, spec, port, had),
             "make " + port + " a port of " + wanted.name + (has.empty() ? "" : " and take its addresses and routes off it"), true);
  }
  // Flushed by somebody: the bridge has nothing of what it took over.
  if (!bridge || spec.address_from != AddressFrom::port || !plan.empty()) return;
  const auto own = [&](const Cidr& cidr) { return std::find(spec.addresses.begin(), spec.addresses.end(), cidr) != spec.addresses.end(); };
  if (!std::all_of(bridge->addresses.begin(), bridge->addresses.end(), own)) return;
  for (const auto& [port, had] : known.items())
    if (!had.at("had").at("addresses").empty())
      plan.add("uplink.give", {{"bridge", wanted.name}, {"give", had.at("had")}}, "give " + wanted.name + " the addresses of " + port);
}

void BridgeUplinks::plan_removal(const Resource& bridge, Plan& plan) const {
  for (const std::string& port : read_bridge_spec(bridge.spec).ports)
    if (network_.find_link(port)) plan.add("uplink.leave", leave_args(bridge, port), "take " + port + " out of " + bridge.name + " and give it back what it had", true);
}

void BridgeUplinks::join(const Json& args) {
  const auto bridge = network_.find_link(text(args, "bridge"));
  if (!bridge) throw Error{Code::conflict, "bridge " + text(args, "bridge") + " is gone"};
  LinkChange change;
  change.master = bridge->ifindex;
  change.up = true;
  network_.change_link(text(args, "port"), change);
  // First off the port: two links with one address answer for each other.
  uplinks_.take(text(args, "port"), read_belongings(args.at("take")));
  uplinks_.give(text(args, "bridge"), read_belongings(args.at("give")));
}

void BridgeUplinks::leave(const Json& args) {
  const std::string port = text(args, "port");
  const auto bridge = network_.find_link(text(args, "bridge"));
  uplinks_.take(text(args, "bridge"), read_belongings(args.at("give")));
  const auto link = network_.find_link(port);
  if (!link) return;
  LinkChange change;
  if (bridge && link->master == bridge->ifindex) change.master = 0;
  change.up = args.at("up").get<bool>();
  network_.change_link(port, change);
  if (*change.up) uplinks_.give(port, read_belongings(args.at("take")));
}

ActionTable BridgeUplinks::actions() {
  const auto join_step = [this](const Json& args, Scratch&) { join(args); };
  const auto leave_step = [this](const Json& args, Scratch&) { leave(args); };
  return {{"uplink.join", {join_step, leave_step}},
          {"uplink.leave", {leave_step, join_step}},
          {"uplink.give", {[this](const Json& args, Scratch&) { uplinks_.give(text(args, "bridge"), read_belongings(args.at("give"))); },
                           [this](const Json& args, Scratch&) { uplinks_.take(text(args, "bridge"), read_belongings(args.at("give"))); }}}};
}

}  // namespace sovirt
