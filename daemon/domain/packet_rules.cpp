#include "daemon/domain/packet_rules.hpp"

#include <algorithm>
#include <tuple>

#include <nlohmann/json.hpp>

#include "api/bridge.hpp"
#include "daemon/domain/nic.hpp"

namespace sovirt {
namespace {

Json write(const Publication& one) {
  return {{"owner", one.owner}, {"bridge", one.bridge}, {"udp", one.udp}, {"host_port", one.host_port},
          {"address", one.address.text()}, {"port", one.port}, {"no_way_back", one.no_way_back}};
}

Publication read_publication(const Json& json) {
  return {json.at("owner").get<std::string>(), json.at("bridge").get<std::string>(), json.at("udp").get<bool>(),
          json.at("host_port").get<std::uint16_t>(), Cidr::parse(json.at("address").get<std::string>()).value(),
          json.at("port").get<std::uint16_t>(), json.at("no_way_back").get<bool>()};
}

void add_share(const Json& share, FilterRules& rules) {
  if (share.contains("bridge"))
    rules.bridges.push_back({share.at("bridge").get<std::string>(), share.at("nat").get<bool>(), share.at("isolation").get<bool>(),
                             share.at("uplinked").get<bool>(), share.at("v6").get<bool>()});
  if (share.contains("publications"))
    for (const Json& one : share.at("publications")) rules.publications.push_back(read_publication(one));
}

// The first address of each family.
std::vector<Cidr> published_addresses(const NicSpec& nic) {
  std::vector<Cidr> found;
  for (const bool v6 : {false, true}) {
    const auto first = std::find_if(nic.addresses.begin(), nic.addresses.end(), [&](const Cidr& cidr) { return cidr.address().is_v6() == v6; });
    if (first != nic.addresses.end()) found.push_back(*first);
  }
  return found;
}

// Alike for alike, so that a table is compared and not the order in which it came about.
FilterRules canonical(FilterRules rules) {
  if (std::none_of(rules.bridges.begin(), rules.bridges.end(), [](const BridgeFilter& one) { return one.isolated; }))
    std::erase_if(rules.bridges, [](const BridgeFilter& one) { return !one.masquerade; });
  std::sort(rules.bridges.begin(), rules.bridges.end(), [](const auto& a, const auto& b) { return a.bridge < b.bridge; });
  std::sort(rules.publications.begin(), rules.publications.end(), [](const auto& a, const auto& b) {
    return std::tie(a.udp, a.host_port, a.address) < std::tie(b.udp, b.host_port, b.address);
  });
  return rules.empty() ? FilterRules{} : rules;
}

}  // namespace

Json PacketRules::share_of_bridge(const Resource& bridge) {
  const BridgeSpec spec = read_bridge_spec(bridge.spec);
  const bool v6 = std::any_of(spec.addresses.begin(), spec.addresses.end(), [](const Cidr& cidr) { return cidr.address().is_v6(); });
  return {{"bridge", bridge.name}, {"nat", spec.nat}, {"isolation", spec.isolation}, {"uplinked", !spec.ports.empty()}, {"v6", v6}};
}

Json PacketRules::share_of_container(const Resource& container) {
  // Asked of every container for every table: most publish nothing, which is seen without reading the spec.
  const Json& nics = container.spec.at("nics");
  if (std::none_of(nics.begin(), nics.end(), [](const Json& nic) { return nic.contains("publish") && !nic.at("publish").empty(); })) return nullptr;
  Json publications = Json::array();
  for (const NicSpec& nic : container_spec_of(container).nics)
    for (const PublishSpec& wanted : nic.publish)
      for (const Cidr& address : published_addresses(nic)) {
        const bool way_back = nic.gateway && nic.gateway->is_v6() == address.address().is_v6();
        publications.push_back(write({object_ref(Kind::container, container.name), nic.bridge.value_or(""), wanted.udp, wanted.host_port,
                                      address, wanted.port, !way_back}));
      }
  if (publications.empty()) return nullptr;
  return {{"publications", std::move(publications)}};
}

FilterRules PacketRules::rules_with(const std::string& uid, const Json* share) const {
  FilterRules rules;
  const auto take = [&](const Resource& resource, const Json& committed) {
    const auto ran = run_.find(resource.uid);
    if (resource.uid == uid) return;
    add_share(ran == run_.end() ? committed : ran->second, rules);
  };
  for (const EntryPtr& bridge : catalog_.all(Kind::bridge)) take(bridge->resource, share_of_bridge(bridge->resource));
  for (const EntryPtr& container : catalog_.all(Kind::container))
    take(container->resource, container->runtime.alive() ? share_of_container(container->resource) : Json());
  // Made by a step, and not committed yet.
  for (const auto& [made, its_share] : run_)
    if (made != uid && !catalog_.find_uid(made)) add_share(its_share, rules);
  if (share) add_share(*share, rules);
  return canonical(std::move(rules));
}

void PacketRules::plan(const Resource& object, const Json& share, bool has_stake, Plan& plan) {
  const std::lock_guard lock(mutex_);
  const auto ran = run_.find(object.uid);
  const EntryPtr committed = catalog_.find_uid(object.uid);
  Json now = ran != run_.end() ? ran->second : Json();
  if (ran == run_.end() && committed) {
    if (object.kind == Kind::bridge) now = share_of_bridge(committed->resource);
    else if (committed->runtime.alive()) now = share_of_container(committed->resource);
  }
  // Mostly it had no share and gets none: then nobody else's rules need to be put together.
  const bool same = now == share || rules_with(object.uid, &now) == rules_with(object.uid, &share);
  if (same && (!has_stake || intact())) return;
  plan.add("filter.set", {{"uid", object.uid}, {"from", std::move(now)}, {"to", share}},
           share.is_null() ? "take the rules of " + object.name + " out of the packet filter" : "put the rules of " + object.name + " into the packet filter");
}

void PacketRules::require(const char* what) const {
  if (const std::string lack = filter_.missing(); !lack.empty())
    throw Error{Code::unsupported, std::string{what} + " needs what this host lacks: " + lack}.with_hint("install nftables, or leave " + std::string{what} + " out");
}

std::string PacketRules::obstacle() {
  std::string text;
  for (const std::string& chain : filter_.blocking_chains()) text += (text.empty() ? "" : ", ") + chain;
  return text;
}

void PacketRules::set(const std::string& uid, const Json& share) {
  const std::lock_guard lock(mutex_);
  filter_.replace(rules_with(uid, &share));
  if (share.is_null() && !catalog_.find_uid(uid)) run_.erase(uid);
  else run_[uid] = share;
}

ActionTable PacketRules::actions() {
  const auto side = [this](const char* which) {
    return [this, which](const Json& args, Scratch&) { set(args.at("uid").get<std::string>(), args.at(which)); };
  };
  return {{"filter.set", {side("to"), side("from")}}};
}

void PacketRules::reset() {
  const std::lock_guard lock(mutex_);
  run_.clear();
}

bool PacketRules::intact() {
  std::uint64_t changes = 0;
  {
    const std::lock_guard lock(seen_mutex_);
    if (seen_ == changes_) return true;
    changes = changes_;
  }
  if (!filter_.holds(rules_with("", nullptr))) return false;
  const std::lock_guard lock(seen_mutex_);
  seen_ = changes;
  return true;
}

std::shared_ptr<void> PacketRules::watch(std::function<void()> changed) {
  return filter_.watch([this, changed = std::move(changed)] {
    {
      const std::lock_guard lock(seen_mutex_);
      ++changes_;
    }
    changed();
  });
}

}  // namespace sovirt
