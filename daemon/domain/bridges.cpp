#include "daemon/domain/bridges.hpp"

#include <algorithm>

#include "daemon/domain/ids.hpp"
#include "daemon/domain/nic.hpp"

namespace sovirt {
namespace {

std::string mac_of(const Resource& bridge, const BridgeSpec& spec) {
  return spec.mac ? spec.mac->text() : bridge.facts.at("mac").get<std::string>();
}

bool holds(const std::vector<Cidr>& list, const Cidr& one) { return std::find(list.begin(), list.end(), one) != list.end(); }

// Only what differs, in both directions, so that undo knows what to go back to.
void difference(Json& from, Json& to, const char* key, const Json& is, const Json& wanted) {
  if (is == wanted) return;
  from[key] = is;
  to[key] = wanted;
}

}  // namespace

void Bridges::complete(Resource& wanted, const Resource* before) const {
  const BridgeSpec spec = read_bridge_spec(wanted.spec);
  wanted.spec = write_bridge_spec(spec);
  wanted.facts = before ? before->facts : Json::object();
  if (!wanted.facts.contains("mac")) wanted.facts["mac"] = Mac::random_local().text();
  uplinks_.complete(wanted, spec, before);
}

std::vector<Claim> Bridges::claims(const Resource& bridge) const {
  const BridgeSpec spec = read_bridge_spec(bridge.spec);
  std::vector<Claim> claims{{"mac", mac_of(bridge, spec)}, {"interface", bridge.name}};
  for (const std::string& port : spec.ports) claims.push_back({"interface", port});
  for (const Cidr& cidr : spec.addresses) {
    claims.push_back({"address", cidr.address().text()});
    const Claim subnet{"subnet", Cidr{cidr.network(), cidr.prefix()}.text()};
    const auto same = [&](const Claim& c) { return c.type == subnet.type && c.value == subnet.value; };
    if (std::none_of(claims.begin(), claims.end(), same)) claims.push_back(subnet);
  }
  return claims;
}

// Two bridges must not get overlapping subnets at the same time.
std::vector<std::string> Bridges::lock_keys(const Json&) const { return {"bridges"}; }

void Bridges::check(const Resource& wanted, const Entry*) const {
  const BridgeSpec spec = read_bridge_spec(wanted.spec);
  if (spec.nat) packet_rules_.require("nat");
  if (spec.isolation) packet_rules_.require("isolation");
  services_.require(spec);
  if (spec.address_from == AddressFrom::dhcp) clients_.require();
  uplinks_.check(wanted, spec);
  for (const EntryPtr& other : catalog_.all(Kind::bridge)) {
    if (other->resource.uid == wanted.uid) continue;
    const std::string ref = object_ref(Kind::bridge, other->resource.name);
    for (const Cidr& theirs : read_bridge_spec(other->resource.spec).addresses)
      for (const Cidr& ours : spec.addresses)
        if (ours.overlaps(theirs))
          throw Error{Code::duplicate, "subnet of " + ours.text() + " overlaps " + theirs.text() + " of " + ref}
              .with_conflicts({ref});
  }
}

Plan Bridges::plan(const Resource& wanted, const Entry* before) const {
  const auto link = network_.find_link(wanted.name);
  if (link && link->mark != wanted.uid)
    throw Error{Code::conflict, "an interface named " + wanted.name + " exists and is not sovirt's: left untouched"}
        .with_hint("choose another name, or remove it with `ip link delete " + wanted.name + "` if nobody needs it");
  Plan plan;
  const LinkState* observed = link ? &*link : nullptr;
  uplinks_.plan_leave(wanted, before, plan);
  plan_link(wanted, observed, plan);
  plan_addresses(wanted, observed, plan);
  plan_ports(wanted, observed, plan);
  uplinks_.plan_join(wanted, read_bridge_spec(wanted.spec), observed, plan);
  clients_.plan_bridge(wanted, read_bridge_spec(wanted.spec), before, observed, plan);
  plan_filter(wanted, plan);
  services_.plan(wanted, before, plan);
  // No drift and no change of the bridge: what containers there are is told its services on the way.
  if (before && before->resource.revision == wanted.revision) services_.refresh(wanted);
  return plan;
}

void Bridges::plan_link(const Resource& wanted, const LinkState* link, Plan& plan) const {
  const BridgeSpec spec = read_bridge_spec(wanted.spec);
  if (!link)
    plan.add("bridge.create",
             {{"name", wanted.name}, {"uid", wanted.uid}, {"mac", mac_of(wanted, spec)}, {"mtu", spec.mtu}, {"stp", spec.stp}},
             "create bridge " + wanted.name);
  Json from = Json::object();
  Json to = Json::object();
  if (link) {
    difference(from, to, "mtu", link->mtu, spec.mtu);
    difference(from, to, "mac", link->mac.text(), mac_of(wanted, spec));
    difference(from, to, "stp", link->stp.value_or(false), spec.stp);
  }
  difference(from, to, "up", link && link->up, true);
  if (to.empty()) return;
  std::string what;
  for (const auto& [key, value] : to.items()) what += (what.empty() ? "" : ", ") + key + " " + value.dump();
  plan.add("link.change", {{"name", wanted.name}, {"uid", wanted.uid}, {"from", from}, {"to", to}},
           "set " + what + " on " + wanted.name, link != nullptr && to.contains("mac"));
}

void Bridges::plan_addresses(const Resource& wanted, const LinkState* link, Plan& plan) const {
  const BridgeSpec spec = read_bridge_spec(wanted.spec);
  const std::vector<Cidr> present = link ? link->addresses : std::vector<Cidr>{};
  // Where addresses come from elsewhere too, those that are not in the spec are no drift.
  for (const Cidr& cidr : present)
    if (spec.address_from == AddressFrom::fixed && !holds(spec.addresses, cidr))
      plan.add("address.remove", {{"link", wanted.name}, {"address", cidr.text()}},
               "remove " + cidr.text() + " from " + wanted.name, true);
  for (const Cidr& cidr : spec.addresses)
    if (!holds(present, cidr))
      plan.add("address.add", {{"link", wanted.name}, {"address", cidr.text()}}, "add " + cidr.text() + " to " + wanted.name);
}

void Bridges::plan_ports(const Resource& wanted, const LinkState* link, Plan& plan) const {
  for (const EntryPtr& entry : catalog_.dependents(wanted.uid)) {
    if (entry->resource.kind != Kind::container || !entry->runtime.alive()) continue;
    const ContainerSpec spec = container_spec_of(entry->resource);
    for (std::size_t index = 0; index < spec.nics.size(); ++index)
      if (spec.nics[index].bridge == wanted.name) plan_port(wanted, *entry, spec.nics[index], index, link, plan);
  }
}

void Bridges::plan_port(const Resource& wanted, const Entry& container, const NicSpec& nic, std::size_t index, const LinkState* link,
                        Plan& plan) const {
  const BridgeSpec spec = read_bridge_spec(wanted.spec);
  const std::string host_name = nic_host_name(container.resource, nic.name, index);
  const auto port = network_.find_link(host_name);
  Json args = nic_args(container.resource, nic, index, spec.mtu, spec.isolation);
  args["pid"] = container.runtime.init.pid;
  const bool attached = port && link && port->master == link->ifindex && port->up;
  // One that is gone is the container's to make again, under its lock: it may be on its way to somewhere else.
  if (!port) return;
  if (!attached)
    plan.add("port.attach", args, "make " + host_name + " of " + container.resource.name + " a port of " + wanted.name);
  else if (port->isolated.value_or(false) != spec.isolation)
    plan.add("port.isolate", {{"name", host_name}, {"uid", container.resource.uid}, {"isolated", spec.isolation}},
             (spec.isolation ? "isolate " : "no longer isolate ") + host_name + " of " + container.resource.name);
  clients_.plan_nic(container.resource, nic, index, container.runtime.init.pid, plan);
}

bool Bridges::publishes(const Resource& bridge) const {
  const auto dependents = catalog_.dependents(bridge.uid);
  return std::any_of(dependents.begin(), dependents.end(), [](const EntryPtr& entry) {
    return entry->resource.kind == Kind::container && entry->runtime.alive() && !PacketRules::share_of_container(entry->resource).is_null();
  });
}

void Bridges::plan_filter(const Resource& wanted, Plan& plan) const {
  const BridgeSpec spec = read_bridge_spec(wanted.spec);
  packet_rules_.plan(wanted, PacketRules::share_of_bridge(wanted), spec.nat || spec.isolation || publishes(wanted), plan);
}

// A packet must be accepted by the chains of everybody. Those of others are not ours to change: they are named.
void Bridges::report_obstacles() const {
  const std::string obstacle = packet_rules_.obstacle();
  for (const EntryPtr& bridge : catalog_.all(Kind::bridge)) {
    const BridgeSpec spec = read_bridge_spec(bridge->resource.spec);
    if (obstacle.empty() || (!spec.nat && !publishes(bridge->resource)))
      catalog_.clear_condition(bridge->resource.uid, "ForwardingBlocked");
    else
      catalog_.set_condition(bridge->resource.uid, {"ForwardingBlocked", true, "ForeignPolicyDrops",
                             "what is forwarded from and to the bridge is dropped by " + obstacle + " unless a rule there accepts it", {}});
  }
}

Plan Bridges::plan_removal(const Resource& bridge) const {
  Plan plan;
  plan.forward = true;
  services_.plan_removal(bridge, plan);
  clients_.plan_bridge_removal(bridge, plan);
  uplinks_.plan_removal(bridge, plan);
  packet_rules_.plan(bridge, nullptr, false, plan);
  plan.add("bridge.delete", {{"name", bridge.name}, {"uid", bridge.uid}}, "delete bridge " + bridge.name, true);
  return plan;
}

Policy Bridges::policy(const Resource& bridge) const { return read_bridge_spec(bridge.spec).policy; }

std::shared_ptr<void> Bridges::watch(Notice& notice) {
  auto watches = std::make_shared<std::vector<std::shared_ptr<void>>>();
  watches->push_back(network_.watch([this, &notice](const LinkEvent& event, bool lost) { heard(notice, event, lost); }));
  watches->push_back(services_.watch(notice));
  watches->push_back(clients_.watch(notice));
  watches->push_back(packet_rules_.watch([this, &notice] {
    report_obstacles();
    notice.look_at_all(Kind::bridge);
  }));
  return watches;
}

// A link is a bridge's own, or a port that a container has in one.
void Bridges::heard(Notice& notice, const LinkEvent& event, bool lost) const {
  if (lost || event.name.empty()) return notice.look_at_all(Kind::bridge);
  if (const EntryPtr bridge = catalog_.find(Kind::bridge, event.name)) return notice.look_at(bridge->resource.uid);
  if (!is_nic_host_name(event.name)) {
    for (const EntryPtr& bridge : catalog_.all(Kind::bridge)) {
      const Json ports = bridge->resource.spec.value("ports", Json::array());
      if (std::find(ports.begin(), ports.end(), event.name) != ports.end()) notice.look_at(bridge->resource.uid);
    }
    return;
  }
  for (const EntryPtr& container : catalog_.all(Kind::container)) {
    if (event.name.compare(1, 12, uid_random(container->resource.uid)) != 0) continue;
    if (event.gone && container->runtime.alive()) notice.look_at(container->resource.uid);
    for (const std::string& target : container->references) {
      const EntryPtr bridge = catalog_.find_uid(target);
      if (bridge && bridge->resource.kind == Kind::bridge) notice.look_at(target);
    }
  }
}

Json Bridges::status(const Entry& entry) const {
  const auto link = network_.find_link(entry.resource.name);
  if (!link || link->mark != entry.resource.uid)
    return {{"state", link ? "foreign" : "absent"}, {"ifindex", nullptr},           {"mac", nullptr},
            {"mtu", nullptr},                       {"up", false},                  {"addresses", Json::array()},
            {"ports", Json::array()},               {"leases", Json::array()}};
  Json addresses = Json::array();
  for (const Cidr& cidr : link->addresses) addresses.push_back(cidr.text());
  Json ports = Json::array();
  for (const LinkState& port : network_.ports(link->ifindex)) {
    Json shown{{"name", port.name}};
    const EntryPtr owner = port.mark.empty() ? nullptr : catalog_.find_uid(port.mark);
    shown[owner ? "container" : "host"] = owner ? owner->resource.name : port.name;
    ports.push_back(std::move(shown));
  }
  return {{"state", "ready"},       {"ifindex", link->ifindex}, {"mac", link->mac.text()},
          {"mtu", link->mtu},       {"up", link->up},           {"addresses", std::move(addresses)},
          {"ports", std::move(ports)}, {"leases", services_.leases(entry.resource)}};
}

}  // namespace sovirt
