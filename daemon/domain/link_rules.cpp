#include "daemon/domain/link_rules.hpp"

#include <algorithm>

#include "api/container.hpp"
#include "daemon/domain/end_state.hpp"
#include "daemon/domain/ids.hpp"

namespace sovirt {
namespace {

std::optional<Kind> kind_of(Place place) {
  switch (place) {
    case Place::host: return std::nullopt;
    case Place::netns: return Kind::netns;
    case Place::bridge: return Kind::bridge;
    case Place::container: return Kind::container;
  }
  return std::nullopt;
}

std::string made_up_name(const std::string& uid, std::size_t index) { return "l" + std::string{uid_random(uid)} + std::to_string(index); }

bool in_a_namespace(const EndpointSpec& end) { return end.place == Place::netns || end.place == Place::container; }

// The namespace of an end as part of a claim: names of interfaces are unique in each, not on the whole host.
std::string interface_claim(const EndpointSpec& end, const std::string& name) {
  if (!in_a_namespace(end)) return name;
  return std::string{place_text(end.place)} + "/" + end.of + "/" + name;
}

// What link_of() reads.
Json link_args(const Resource& link) { return {{"uid", link.uid}, {"name", link.name}, {"spec", link.spec}, {"facts", link.facts}}; }

// What makes it another link, not a change of this one.
bool is_another(const Resource& before, const Resource& wanted) {
  const LinkSpec old = read_link_spec(before.spec), spec = read_link_spec(wanted.spec);
  if (old.type != spec.type) return true;
  for (const char* key : {"vxlan", "parent", "mode"})
    if (before.spec.value(key, Json()) != wanted.spec.value(key, Json())) return true;
  for (std::size_t i = 0; i < spec.endpoints.size() && i < old.endpoints.size(); ++i) {
    const EndpointSpec &was = old.endpoints[i], &is = spec.endpoints[i];
    if (in_a_namespace(was) != in_a_namespace(is)) return true;
    if (in_a_namespace(is) && (was.place != is.place || was.of != is.of)) return true;
  }
  return false;
}

std::uint64_t lesser_rate(std::uint64_t a, std::uint64_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

}  // namespace

LinkEnd LinkRules::Where::end(const std::string& uid, std::size_t index) const { return {netns.get(), uid + ":" + std::to_string(index)}; }

void LinkRules::complete(Resource& wanted, const Resource* before) const {
  const LinkSpec spec = read_link_spec(wanted.spec);
  wanted.spec = write_link_spec(spec);
  wanted.facts = before ? before->facts : Json::object();
  Json& names = wanted.facts["names"];
  Json& macs = wanted.facts["macs"];
  for (std::size_t i = 0; i < spec.endpoints.size(); ++i) {
    if (names.size() <= i) names.push_back(made_up_name(wanted.uid, i));
    if (macs.size() <= i) macs.push_back(Mac::random_local().text());
    check_endpoint(spec.endpoints[i], i);
  }
}

void LinkRules::check_endpoint(const EndpointSpec& end, std::size_t index) const {
  const auto kind = kind_of(end.place);
  if (!kind) return;
  const std::string key{place_text(end.place)};
  const std::string pointer = "/endpoints/" + std::to_string(index) + "/" + key;
  const EntryPtr there = catalog_.find(*kind, end.of);
  if (!there) throw Error{Code::not_found, "there is no " + key + " named " + end.of}.with_fields({{pointer, "not-found", "no such " + key}});
  if (*kind != Kind::container) return;
  const ContainerSpec spec = read_container_spec(there->resource.spec);
  if (spec.isolation == Isolation::chroot)
    throw field_error(pointer, "conflict", "a chroot has the host's network, a link cannot end in it");
  for (const NicSpec& nic : spec.nics)
    if (nic.name == end.name)
      throw Error{Code::duplicate, "container " + end.of + " has a NIC named " + nic.name + " already"}
          .with_fields({{"/endpoints/" + std::to_string(index) + "/name", "duplicate", "a NIC of the container has this name"}})
          .with_conflicts({object_ref(Kind::container, end.of)});
}

EndState LinkRules::wanted_state(const Resource& link, const LinkSpec& spec, std::size_t index) const {
  const EndpointSpec& end = spec.endpoints[index];
  EndState state;
  state.name = end.name.empty() ? link.facts.at("names").at(index).get<std::string>() : end.name;
  state.mac = end.mac ? *end.mac : Mac::parse(link.facts.at("macs").at(index).get<std::string>()).value();
  state.mtu = end.mtu;
  state.up = end.up;
  if (end.place == Place::bridge) state.bridge = end.of;
  // A link that is down loses its IPv6 addresses, and takes none.
  for (const Cidr& cidr : end.addresses)
    if (end.up || !cidr.address().is_v6()) state.addresses.push_back(cidr);
  state.egress = end.rate.egress;
  if (spec.endpoints.size() == 2) state.egress = lesser_rate(state.egress, spec.endpoints[1 - index].rate.ingress);
  return state;
}

std::vector<Claim> LinkRules::claims(const Resource& link) const {
  const LinkSpec spec = read_link_spec(link.spec);
  std::vector<Claim> claims;
  for (std::size_t i = 0; i < spec.endpoints.size(); ++i) {
    const EndState state = wanted_state(link, spec, i);
    claims.push_back({"mac", state.mac.text()});
    claims.push_back({"interface", interface_claim(spec.endpoints[i], state.name)});
    for (const Cidr& cidr : spec.endpoints[i].addresses) claims.push_back({"address", cidr.address().text()});
  }
  return claims;
}

std::vector<std::string> LinkRules::references(const Resource& link) const {
  std::vector<std::string> uids;
  for (const EndpointSpec& end : read_link_spec(link.spec).endpoints) {
    const auto kind = kind_of(end.place);
    if (!kind) continue;
    const std::string uid = catalog_.need(*kind, end.of)->resource.uid;
    if (std::find(uids.begin(), uids.end(), uid) == uids.end()) uids.push_back(uid);
  }
  return uids;
}

// What it ends in must neither go away nor start or stop meanwhile.
std::vector<std::string> LinkRules::lock_keys(const Json& spec) const {
  std::vector<std::string> keys;
  if (!spec.is_object() || !spec.contains("endpoints") || !spec.at("endpoints").is_array()) return keys;
  for (const Json& end : spec.at("endpoints"))
    for (const char* place : {"netns", "bridge", "container"}) {
      if (!end.is_object() || !end.contains(place) || !end.at(place).is_string()) continue;
      std::string key = std::string{place} + "/" + end.at(place).get<std::string>();
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
    }
  return keys;
}

void LinkRules::check(const Resource& wanted, const Entry*) const {
  const LinkSpec spec = read_link_spec(wanted.spec);
  for (std::size_t i = 0; i < spec.endpoints.size(); ++i) {
    const EndpointSpec& end = spec.endpoints[i];
    const unsigned mtu = end.place == Place::bridge ? catalog_.need(Kind::bridge, end.of)->resource.spec.at("mtu").get<unsigned>() : end.mtu;
    if (spec.type == LinkType::veth && mtu < end.mtu)
      throw field_error("/endpoints/" + std::to_string(i) + "/mtu", "range", "bridge " + end.of + " carries at most " + std::to_string(mtu) + " bytes");
  }
}

Policy LinkRules::policy(const Resource& link) const { return read_link_spec(link.spec).policy; }

LinkRules::Where LinkRules::parking() const {
  Where where;
  where.key = "parking";
  where.netns = ports_.kept.parking();
  where.parked = true;
  return where;
}

LinkRules::Where LinkRules::where(const EndpointSpec& end, bool hold) const {
  Where where;
  where.key = "host";
  const auto kind = kind_of(end.place);
  if (!kind || *kind == Kind::bridge) return where;
  const EntryPtr there = catalog_.need(*kind, end.of);
  where.key = there->resource.uid;
  if (*kind == Kind::netns) {
    where.netns = namespaces_.open(there->resource);
    return where;
  }
  where.netns = ports_.kept.kept(where.key);
  if (where.netns) return where;
  if (!there->runtime.alive()) return parking();
  where.netns = network_.open_netns(there->runtime.init.pid);
  if (hold) {
    ports_.kept.keep(where.key, where.netns.get());
    ports_.watch.follow(where.key, where.netns.get());
  }
  return where;
}

LinkRules::Observed LinkRules::observe(const Resource& link, const EndpointSpec& end, std::size_t index) const {
  Observed observed;
  observed.where = where(end, false);
  observed.found = ports_.ends.find(observed.where.end(link.uid, index));
  if (!observed.found && end.place == Place::container && !observed.where.parked) {
    observed.found = ports_.ends.find(parking().end(link.uid, index));
    observed.elsewhere = observed.found.has_value();
  }
  if (observed.found && !observed.elsewhere) holders_.remember(observed.where.key, observed.found->ifindex, link.uid);
  return observed;
}

void LinkRules::require_bridges(const LinkSpec& spec) const {
  for (const EndpointSpec& end : spec.endpoints) {
    if (end.place != Place::bridge) continue;
    const auto link = network_.find_link(end.of);
    if (!link || link->mark != catalog_.need(Kind::bridge, end.of)->resource.uid)
      throw Error{Code::conflict, "bridge " + end.of + " is not there: waiting for it"};
  }
}

void LinkRules::check_names_free(const Resource& link, const LinkSpec& spec) const {
  for (std::size_t i = 0; i < spec.endpoints.size(); ++i) {
    const std::string name = wanted_state(link, spec, i).name;
    const Where place = where(spec.endpoints[i], false);
    bool taken = false;
    if (!place.netns) {
      taken = network_.find_link(name).has_value();
    } else if (!place.parked) {
      const auto there = ports_.inside.interfaces(place.netns.get());
      taken = std::any_of(there.begin(), there.end(), [&](const Interface& one) { return one.link.name == name && one.link.mark != link.uid; });
    }
    if (taken)
      throw Error{Code::conflict, "an interface named " + name + " is there already and is not this link's: left untouched"}
          .with_fields({{"/endpoints/" + std::to_string(i) + "/name", "taken", "another interface has this name there"}})
          .with_hint("choose another name for this end");
  }
}

Plan LinkRules::plan(const Resource& wanted, const Entry* before) const {
  const LinkSpec spec = read_link_spec(wanted.spec);
  require_bridges(spec);
  Plan plan;
  std::vector<Observed> ends;
  bool whole = true, some = false;
  for (std::size_t i = 0; i < spec.endpoints.size(); ++i) {
    ends.push_back(observe(wanted, spec.endpoints[i], i));
    whole = whole && ends.back().found;
    some = some || ends.back().found;
  }
  if ((before && is_another(before->resource, wanted)) || (some && !whole)) {
    const Resource& old = before ? before->resource : wanted;
    plan.add("link.remove", link_args(old), "delete link " + wanted.name, true);
    whole = false;
  }
  if (!whole) {
    check_names_free(wanted, spec);
    plan.add("link.create", link_args(wanted), "create " + std::string{link_type_text(spec.type)} + " link " + wanted.name);
  }
  for (std::size_t i = 0; i < spec.endpoints.size(); ++i) plan_end(wanted, spec, i, ends[i], !whole, plan);
  return plan;
}

void LinkRules::plan_end(const Resource& link, const LinkSpec& spec, std::size_t index, const Observed& end, bool fresh, Plan& plan) const {
  if (end.where.parked) return;
  const EndState wanted = wanted_state(link, spec, index);
  EndState is = end.found && !fresh ? end.found->state : wanted;
  if (fresh || end.elsewhere) {
    is.up = false;
    is.bridge.clear();
    is.addresses.clear();
    is.egress = 0;
  }
  const std::string common = "end " + wanted.name + " of link " + link.name;
  Json args{{"uid", link.uid}, {"name", link.name}, {"end", index}, {"endpoint", link.spec.at("endpoints").at(index)}};
  if (end.elsewhere && !fresh) plan.add("link.move", {{"uid", link.uid}, {"end", index}, {"to", wanted.name}, {"endpoint", args["endpoint"]}}, "move " + common + " into its container");
  const std::string what = end_difference(is, wanted);
  if (what.empty()) return;
  args["from"] = write_end_state(is);
  args["to"] = write_end_state(wanted);
  plan.add("link.configure", std::move(args), "set " + what + " on " + common, !fresh && is.mac != wanted.mac);
}

Plan LinkRules::plan_removal(const Resource& link) const {
  Plan plan;
  plan.forward = true;
  plan.add("link.remove", link_args(link), "delete link " + link.name, true);
  return plan;
}

}  // namespace sovirt
