#include "daemon/domain/container_nics.hpp"

#include <algorithm>

#include "api/bridge.hpp"
#include "daemon/domain/end_state.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/nic.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

constexpr unsigned usual_mtu = 1500;

std::vector<Cidr> cidrs(const Json& list) {
  std::vector<Cidr> out;
  for (const Json& one : list) out.push_back(Cidr::parse(one.get<std::string>()).value());
  return out;
}

bool holds(const std::vector<Cidr>& list, const Cidr& one) { return std::find(list.begin(), list.end(), one) != list.end(); }

// What a container gave itself inside stays: only what the spec named before and does not name any more goes.
std::vector<Cidr> merged(const std::vector<Cidr>& found, const std::vector<Cidr>& before, const std::vector<Cidr>& wanted) {
  std::vector<Cidr> out;
  for (const Cidr& cidr : found)
    if (holds(wanted, cidr) || !holds(before, cidr)) out.push_back(cidr);
  for (const Cidr& cidr : wanted)
    if (!holds(out, cidr)) out.push_back(cidr);
  return out;
}

// A veth cannot change sides between the host and a namespace without being seen as another one.
bool same_place(const NicSpec& a, const NicSpec& b) { return a.netns == b.netns; }

}  // namespace

// One NIC that is there before and after.
struct ContainerNics::Change {
  const Resource& container;
  const Json& from;
  const Json& to;
  pid_t init;
  int netns;                 // of the container
  bool repair;
  std::string who() const { return text(to, "name") + " of " + container.name; }
  Json args() const { return {{"uid", container.uid}, {"host_name", to.at("host_name")}, {"netns", to.at("netns")}, {"name", to.at("name")}, {"pid", init}}; }
};

Json ContainerNics::args_of(const Resource& container, const NicSpec& nic, std::size_t index) const {
  if (!nic.bridge) return nic_args(container, nic, index, usual_mtu, false);
  const BridgeSpec bridge = read_bridge_spec(catalog_.need(Kind::bridge, *nic.bridge)->resource.spec);
  return nic_args(container, nic, index, bridge.mtu, bridge.isolation);
}

Json ContainerNics::args_of(const Resource& container) const {
  Json all = Json::array();
  const ContainerSpec spec = container_spec_of(container);
  for (std::size_t index = 0; index < spec.nics.size(); ++index) all.push_back(args_of(container, spec.nics[index], index));
  return all;
}

void ContainerNics::plan(const Entry& before, const Resource& wanted, Plan& plan) const {
  const ContainerSpec old_spec = container_spec_of(before.resource), new_spec = container_spec_of(wanted);
  if (old_spec.nics.empty() && new_spec.nics.empty()) return;
  const bool repair = before.resource.revision == wanted.revision;
  unique_fd netns;
  try {
    netns = kernel_.network.open_netns(before.runtime.init.pid);
  } catch (const Error& error) {
    if (error.code() == Code::not_found) return;   // it has just ended, and its end is on the way to us
    throw;
  }
  follow(wanted.uid, before.runtime.init.pid, netns.get());
  const auto named = [](const ContainerSpec& spec, const std::string& name) {
    return std::find_if(spec.nics.begin(), spec.nics.end(), [&](const NicSpec& nic) { return nic.name == name; });
  };
  const auto put = [&](const char* action, const Resource& of, const ContainerSpec& spec, std::size_t index, const std::string& what, bool disruptive) {
    Json args = args_of(of, spec.nics[index], index);
    args["pid"] = before.runtime.init.pid;
    plan.add(action, std::move(args), what, disruptive);
  };
  for (std::size_t index = 0; index < old_spec.nics.size(); ++index) {
    const NicSpec& old = old_spec.nics[index];
    const auto kept = named(new_spec, old.name);
    const bool stays = kept != new_spec.nics.end() && same_place(old, *kept);
    if (old.dhcp && (!stays || !kept->dhcp || kept->bridge != old.bridge)) clients_.plan_stop_nic(before.resource, old, index, plan);
    if (!stays) put("nic.unplug", before.resource, old_spec, index, "unplug " + old.name + " of " + wanted.name, true);
  }
  for (std::size_t index = 0; index < new_spec.nics.size(); ++index) {
    const NicSpec& nic = new_spec.nics[index];
    const auto old = named(old_spec, nic.name);
    if (old == old_spec.nics.end() || !same_place(*old, nic)) {
      put("nic.plug", wanted, new_spec, index, "plug " + nic.name + " of " + wanted.name + " into " + nic.bridge.value_or(nic.netns.value_or("nothing")), false);
    } else {
      const Json from = args_of(before.resource, *old, static_cast<std::size_t>(old - old_spec.nics.begin()));
      // A DHCP client whose interface is another one would not notice before half of its lease is over. The new link's
      // own messages lead to where it is started again.
      if (repair && nic.bridge && nic.dhcp && !kernel_.network.find_link(text(from, "host_name"))) clients_.plan_stop_nic(wanted, nic, index, plan);
      plan_kept({wanted, from, args_of(wanted, nic, index), before.runtime.init.pid, netns.get(), repair}, plan);
    }
    const bool asks_anew = old == old_spec.nics.end() || !old->dhcp || !same_place(*old, nic) || old->bridge != nic.bridge;
    if (nic.dhcp && asks_anew) clients_.plan_nic(wanted, nic, index, before.runtime.init.pid, plan);
  }
}

void ContainerNics::plan_kept(const Change& change, Plan& plan) const {
  const unique_fd place = place_of(change.to);
  const std::string mark = nic_mark(change.to), where = text(change.to, "netns");
  const auto outside = kernel_.netns.ends.find({place.get(), mark}), inside = kernel_.netns.ends.find({change.netns, mark});
  if (outside) {
    const EntryPtr netns = where.empty() ? nullptr : catalog_.find(Kind::netns, where);
    holders_.remember(netns ? netns->resource.uid : "host", outside->ifindex, change.container.uid);
  }
  if (outside && inside) {
    plan_outside(change, change.from, change.to, *outside, plan);
    plan_inside(change, change.from, change.to, *inside, plan);
    plan_route(change, change.from, change.to, plan);
    return;
  }
  if (const std::string bridge = text(change.to, "bridge"); change.repair && !bridge.empty()) {
    // By the bridge's policy, and not before the bridge is there: then it is looked at again.
    if (!kernel_.network.find_link(bridge) || read_bridge_spec(catalog_.need(Kind::bridge, bridge)->resource.spec).policy != Policy::repair) return;
  }
  Json args = change.to;
  args["pid"] = change.init;
  plan.add("nic.replug", std::move(args), "plug " + change.who() + " again");
}

void ContainerNics::plan_outside(const Change& change, const Json& from, const Json& to, const FoundEnd& found, Plan& plan) const {
  EndState wanted = found.state;
  const std::string bridge = text(to, "bridge");
  const bool moves = text(from, "bridge") != bridge;
  wanted.mtu = to.at("mtu").get<unsigned>();
  wanted.egress = to.at("ingress").get<std::uint64_t>();
  if (moves) {
    wanted.bridge = bridge;
    wanted.up = !bridge.empty();
  }
  if (!text(to, "netns").empty()) {
    wanted.name = text(to, "outer_name");
    wanted.up = true;
    wanted.addresses = merged(found.state.addresses, cidrs(from.at("outer_addresses")), cidrs(to.at("outer_addresses")));
  }
  const std::string what = end_difference(found.state, wanted);
  if (what.empty()) return;
  Json args = change.args();
  args["inside"] = false;
  args["from"] = write_end_state(found.state);
  args["to"] = write_end_state(wanted);
  args["from"]["isolated"] = moves ? from.at("isolated") : Json();
  args["to"]["isolated"] = moves ? to.at("isolated") : Json();
  plan.add("nic.change", std::move(args), "set " + what + " on the outer end of " + change.who());
}

void ContainerNics::plan_inside(const Change& change, const Json& from, const Json& to, const FoundEnd& found, Plan& plan) const {
  EndState wanted = found.state;
  wanted.name = text(to, "name");
  wanted.mac = Mac::parse(text(to, "mac")).value();
  wanted.mtu = to.at("mtu").get<unsigned>();
  wanted.up = true;
  wanted.addresses = merged(found.state.addresses, cidrs(from.at("addresses")), cidrs(to.at("addresses")));
  wanted.egress = to.at("egress").get<std::uint64_t>();
  const std::string what = end_difference(found.state, wanted);
  if (what.empty()) return;
  Json args = change.args();
  args["inside"] = true;
  args["from"] = write_end_state(found.state);
  args["to"] = write_end_state(wanted);
  const bool disruptive = found.state.mac != wanted.mac ||
                          std::any_of(found.state.addresses.begin(), found.state.addresses.end(), [&](const Cidr& cidr) { return !holds(wanted.addresses, cidr); });
  plan.add("nic.change", std::move(args), "set " + what + " on " + change.who(), disruptive);
}

// The kernel forgets a default route with the address or the interface it went by.
void ContainerNics::plan_route(const Change& change, const Json& from, const Json& to, Plan& plan) const {
  Json is = from.at("gateway");
  const Json& wanted = to.at("gateway");
  if (!is.is_null()) {
    const auto routes = kernel_.netns.inside.routes(change.netns);
    const auto gateway = IpAddress::parse(is.get<std::string>());
    const bool there = std::any_of(routes.begin(), routes.end(), [&](const RouteState& one) {
      return !one.route.to && one.route.via == gateway && one.route.dev == text(to, "name");
    });
    if (!there) is = nullptr;
  }
  if (is == wanted) return;
  Json args = change.args();
  args["from"] = is;
  args["to"] = wanted;
  plan.add("nic.route", std::move(args), wanted.is_null() ? "remove the default route by " + change.who() : "set the default route by " + change.who() + " to " + wanted.get<std::string>(),
           !is.is_null());
}

Json ContainerNics::rate_status(const Entry& entry, const Json& nic, std::size_t index) const {
  Json shown{{"egress", nullptr}, {"ingress", nullptr}};
  // From the spec as it is kept: without a rate, as with most, nothing is asked of the kernel.
  const auto rate = nic.find("rate");
  if (rate == nic.end() || *rate == shown || !entry.runtime.alive()) return shown;
  try {
    const std::string mark = nic_mark(entry.resource, nic.at("name").get<std::string>(), index);
    const unique_fd place = place_of({{"netns", nic.at("netns").is_string() ? nic.at("netns") : Json("")}});
    const unique_fd netns = kernel_.network.open_netns(entry.runtime.init.pid);
    const auto inside = kernel_.netns.ends.find({netns.get(), mark}), outside = kernel_.netns.ends.find({place.get(), mark});
    if (inside && inside->state.egress != 0) shown["egress"] = inside->state.egress;
    if (outside && outside->state.egress != 0) shown["ingress"] = outside->state.egress;
  } catch (const Error&) {
    return shown;   // it ended a moment ago, or the namespace is gone
  }
  return shown;
}

}  // namespace sovirt
