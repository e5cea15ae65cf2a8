#include "daemon/domain/netns_rules.hpp"

#include <algorithm>

#include "daemon/domain/ids.hpp"

namespace sovirt {
namespace {

// How old the list of processes in a status may be.
constexpr std::chrono::milliseconds fresh{500};

bool same_route(const RouteState& there, const RouteSpec& wanted) {
  return there.route.to == wanted.to && there.route.is_v6() == wanted.is_v6() && (!wanted.via || there.route.via == wanted.via) &&
         (!wanted.dev || there.route.dev == wanted.dev);
}

Error not_there(const Resource& netns) {
  return Error{Code::conflict, "the namespace of " + object_ref(Kind::netns, netns.name) + " is not there"};
}

Json counters_json(const Counters& c) {
  return {{"rx_bytes", c.rx_bytes},   {"tx_bytes", c.tx_bytes},   {"rx_packets", c.rx_packets}, {"tx_packets", c.tx_packets},
          {"rx_errors", c.rx_errors}, {"tx_errors", c.tx_errors}, {"rx_dropped", c.rx_dropped}, {"tx_dropped", c.tx_dropped}};
}

}  // namespace

bool can_have(const RouteSpec& route, const std::vector<Interface>& interfaces) {
  const auto useful = [&](const Interface& one) { return one.link.up && (!route.dev || one.link.name == *route.dev); };
  for (const Interface& one : interfaces) {
    if (!useful(one)) continue;
    if (!route.via || (route.via->is_v6() && route.dev)) return true;
    for (const Cidr& cidr : one.link.addresses)
      if (cidr.contains(*route.via)) return true;
  }
  return false;
}

void NetnsRules::complete(Resource& wanted, const Resource* before) const {
  wanted.spec = write_netns_spec(read_netns_spec(wanted.spec));
  wanted.facts = before ? before->facts : Json::object();
}

void NetnsRules::check(const Resource& wanted, const Entry* before) const {
  if (before) return;
  const auto pin = ports_.pins.find(wanted.name);
  if (!pin || pin->mark == wanted.uid) return;
  if (!pin->mark.empty())
    throw Error{Code::conflict, "the namespace pinned as " + wanted.name + " belongs to another object of sovirt"};
  if (!read_netns_spec(wanted.spec).adopt)
    throw Error{Code::conflict, "a network namespace named " + wanted.name + " exists and is not sovirt's: left untouched"}
        .with_fields({{"/adopt", "foreign", "it would have to be adopted"}})
        .with_hint("take it over with \"adopt\": true, or choose another name");
}

Policy NetnsRules::policy(const Resource& netns) const { return read_netns_spec(netns.spec).policy; }

Plan NetnsRules::plan(const Resource& wanted, const Entry* before) const {
  const NetnsSpec spec = read_netns_spec(wanted.spec);
  Plan plan;
  unique_fd netns;
  if (plan_pin(wanted, plan)) {
    netns = ports_.pins.open(wanted.name);
  } else if (const auto pin = ports_.pins.find(wanted.name)) {
    netns = ports_.pins.open(wanted.name);   // to be adopted
  } else {
    const std::lock_guard lock(mutex_);
    if (const auto held = held_.find(wanted.uid); held != held_.end()) netns = held->second.netns.duplicate();
  }
  // One that is still to be made looks like any fresh one.
  if (!netns) netns = ports_.kept.parking();
  const NetnsSpec old = before ? read_netns_spec(before->resource.spec) : NetnsSpec{};
  plan_sysctls(spec, before ? &old : nullptr, wanted, netns.get(), plan);
  plan_routes(spec, wanted, netns.get(), plan);
  return plan;
}

bool NetnsRules::plan_pin(const Resource& wanted, Plan& plan) const {
  const auto pin = ports_.pins.find(wanted.name);
  const Json args{{"name", wanted.name}, {"uid", wanted.uid}};
  if (pin && pin->mark == wanted.uid) {
    hold(wanted.uid, wanted.name);
    return true;
  }
  const bool held = [&] {
    const std::lock_guard lock(mutex_);
    return held_.count(wanted.uid) != 0;
  }();
  if (!pin) {
    plan.add("netns.create", args, (held ? "pin network namespace " : "create network namespace ") + wanted.name + (held ? " again" : ""));
    return false;
  }
  if (held || !pin->mark.empty() || !read_netns_spec(wanted.spec).adopt)
    throw Error{Code::conflict, "another network namespace is pinned as " + wanted.name + ": left untouched"}.with_hint(
        "remove it with `ip netns delete " + wanted.name + "` if nobody needs it");
  plan.add("netns.adopt", args, "adopt the network namespace " + wanted.name + " that is there");
  return false;
}

void NetnsRules::plan_sysctls(const NetnsSpec& spec, const NetnsSpec* before, const Resource& wanted, int netns, Plan& plan) const {
  const auto step = [&](const std::string& key, const std::string& is, const std::string& value, const char* why) {
    plan.add("netns.sysctl", {{"name", wanted.name}, {"uid", wanted.uid}, {"key", key}, {"from", is}, {"to", value}},
             "set " + key + " = " + value + " in " + wanted.name + why);
  };
  for (const auto& [key, value] : spec.sysctls) {
    const auto is = ports_.inside.sysctl(netns, key);
    if (is && *is != value) step(key, *is, value, "");
    if (!is && sysctl_interface(key).empty())
      throw Error{Code::invalid, "this kernel has no setting " + key + " in a network namespace"}.with_fields(
          {{"/sysctls/" + key, "not-found", "there is no such setting, or it is the whole host's"}});
  }
  if (!before) return;
  unique_fd fresh;
  for (const auto& [key, value] : before->sysctls) {
    if (spec.sysctls.count(key) != 0) continue;
    if (!fresh) fresh = ports_.kept.parking();
    const auto is = ports_.inside.sysctl(netns, key), back = ports_.inside.sysctl(fresh.get(), key);
    if (is && back && *is != *back) step(key, *is, *back, ", as a new one has it");
  }
}

void NetnsRules::plan_routes(const NetnsSpec& spec, const Resource& wanted, int netns, Plan& plan) const {
  const auto there = ports_.inside.routes(netns);
  const auto step = [&](const char* action, const RouteSpec& route, const std::string& what, bool disruptive) {
    plan.add(action, {{"name", wanted.name}, {"uid", wanted.uid}, {"route", write_route(route)}}, what + route.text() + " in " + wanted.name, disruptive);
  };
  for (const RouteState& one : there) {
    const auto same = [&](const RouteSpec& route) { return same_route(one, route); };
    if (one.ours && std::none_of(spec.routes.begin(), spec.routes.end(), same)) step("route.remove", one.route, "remove route ", true);
  }
  if (spec.routes.empty()) return;
  const auto interfaces = ports_.inside.interfaces(netns);
  for (const RouteSpec& route : spec.routes) {
    const auto same = [&](const RouteState& one) { return same_route(one, route); };
    if (std::none_of(there.begin(), there.end(), same) && can_have(route, interfaces)) step("route.add", route, "add route ", false);
  }
}

void NetnsRules::check_removal(const Entry& entry) const {
  std::vector<std::string> holders;
  for (const EntryPtr& user : catalog_.dependents(entry.resource.uid)) holders.push_back(object_ref(user->resource.kind, user->resource.name));
  const auto pin = ports_.pins.find(entry.resource.name);
  if (pin && pin->mark == entry.resource.uid)
    for (const ProcessState& process : ports_.inside.processes(ports_.pins.open(entry.resource.name).get(), {}))
      holders.push_back("process/" + std::to_string(process.pid) + " (" + process.command + ")");
  if (holders.empty()) return;
  const bool process = holders.front().starts_with("process/");
  throw Error{Code::in_use, object_ref(Kind::netns, entry.resource.name) + " is used by " + holders.front() + (holders.size() > 1 ? " and others" : "")}
      .with_conflicts(holders)
      .with_hint(process ? "end the processes in it first" : "?cascade=true (sovirtctl netns rm --cascade) deletes the links too");
}

Plan NetnsRules::plan_removal(const Resource& netns) const {
  Plan plan;
  plan.forward = true;
  plan.add("netns.delete", {{"name", netns.name}, {"uid", netns.uid}}, "delete network namespace " + netns.name, true);
  return plan;
}

unique_fd NetnsRules::open(const Resource& netns) const {
  const auto pin = ports_.pins.find(netns.name);
  if (pin && pin->mark == netns.uid) return ports_.pins.open(netns.name);
  throw not_there(netns);
}

void NetnsRules::hold(const std::string& uid, const std::string& name) const {
  unique_fd netns = ports_.pins.open(name);
  const std::uint64_t inode = ports_.pins.inode(name);
  const std::lock_guard lock(mutex_);
  const auto known = held_.find(uid);
  if (known != held_.end() && known->second.inode == inode) return;
  ports_.watch.follow(uid, netns.get());
  held_[uid] = Held{name, inode, std::move(netns)};
}

void NetnsRules::let_go(const std::string& uid) const {
  ports_.watch.forget(uid);
  const std::lock_guard lock(mutex_);
  held_.erase(uid);
}

std::shared_ptr<void> NetnsRules::watch(Notice& notice) {
  return ports_.watch.listen([this, &notice](const std::string& key, const LinkEvent&, bool) { heard(notice, key); });
}

void NetnsRules::collect_orphans(std::string_view instance) {
  for (const PinState& pin : ports_.pins.all())
    if (uid_is_of(pin.mark, instance) && !catalog_.find_uid(pin.mark)) ports_.pins.remove(pin.name, pin.mark);
}

// A change inside matters to routes and settings alone; interfaces are the links' own affair.
void NetnsRules::heard(Notice& notice, const std::string& key) const {
  if (!key.empty()) {
    const EntryPtr entry = catalog_.find_uid(key);
    if (entry && entry->resource.kind == Kind::netns && !(entry->resource.spec.at("routes").empty() && entry->resource.spec.at("sysctls").empty()))
      notice.look_at(key);
    return;
  }
  std::vector<std::string> changed;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [uid, held] : held_)
      if (ports_.pins.inode(held.name) != held.inode) changed.push_back(uid);
  }
  for (const std::string& uid : changed) notice.look_at(uid);
  // One that could not be made because its name was taken may be made now.
  for (const EntryPtr& entry : catalog_.all(Kind::netns))
    for (const Condition& c : catalog_.conditions(entry->resource.uid))
      if (c.type == "Ready" && !c.status) notice.look_at(entry->resource.uid);
}

Json NetnsRules::interfaces_status(int netns) const {
  Json list = Json::array();
  const auto interfaces = ports_.inside.interfaces(netns);
  const auto name_of = [&](int ifindex) {
    for (const Interface& one : interfaces)
      if (one.link.ifindex == ifindex) return one.link.name;
    return std::string{};
  };
  for (const Interface& one : interfaces) {
    Json addresses = Json::array();
    for (const Cidr& cidr : one.link.addresses) addresses.push_back(cidr.text());
    Json peer = nullptr;
    const EntryPtr owner = one.link.mark.empty() ? nullptr : catalog_.find_uid(one.link.mark);
    if (owner && owner->resource.kind == Kind::link) {
      peer = {{"link", owner->resource.name}, {"ifindex", one.peer}};
      for (const Json& end : owner->resource.spec.at("endpoints"))
        for (const char* place : {"netns", "container", "bridge", "host"})
          if (end.contains(place) && end.at("name") != one.link.name) peer[place] = end.at(place);
    } else if (one.peer != 0) {
      peer = {{"ifindex", one.peer}};
      if (const auto name = name_of(one.peer); one.link.kind != "veth" && !name.empty()) peer["name"] = name;
    }
    list.push_back({{"name", one.link.name}, {"ifindex", one.link.ifindex}, {"kind", one.link.kind.empty() ? Json() : Json(one.link.kind)},
                    {"mac", one.link.mac.text()}, {"mtu", one.link.mtu}, {"up", one.link.up}, {"carrier", one.link.carrier},
                    {"addresses", std::move(addresses)}, {"peer", std::move(peer)}, {"statistics", counters_json(one.counters)}});
  }
  return list;
}

Json NetnsRules::status(const Entry& entry) const {
  const auto pin = ports_.pins.find(entry.resource.name);
  Json status{{"state", "absent"}, {"inode", nullptr}, {"path", "/run/netns/" + entry.resource.name}, {"interfaces", Json::array()},
              {"routes", Json::array()}, {"waiting", Json::array()}, {"processes", Json::array()}};
  if (!pin || pin->mark != entry.resource.uid) {
    if (pin) status["state"] = "foreign";
    return status;
  }
  const unique_fd netns = ports_.pins.open(entry.resource.name);
  status["state"] = "ready";
  status["inode"] = pin->inode;
  status["interfaces"] = interfaces_status(netns.get());
  const auto routes = ports_.inside.routes(netns.get());
  for (const RouteState& route : routes) status["routes"].push_back(write_route(route.route));
  for (const RouteSpec& wanted : read_netns_spec(entry.resource.spec).routes)
    if (std::none_of(routes.begin(), routes.end(), [&](const RouteState& one) { return same_route(one, wanted); }))
      status["waiting"].push_back("route " + wanted.text());
  for (const ProcessState& process : ports_.inside.processes(netns.get(), fresh))
    status["processes"].push_back({{"pid", process.pid}, {"name", process.command}});
  return status;
}

}  // namespace sovirt
