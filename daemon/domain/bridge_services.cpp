#include "daemon/domain/bridge_services.hpp"

#include <nlohmann/json.hpp>

#include "daemon/domain/ids.hpp"
#include "daemon/domain/nic.hpp"

namespace sovirt {
namespace {

Json write(const HelperSpec& helper) {
  return {{"key", helper.key}, {"program", helper.program}, {"arguments", helper.arguments}, {"files", helper.files}, {"data", helper.data}};
}

HelperSpec read(const Json& json) {
  HelperSpec helper;
  helper.key = json.at("key").get<std::string>();
  helper.program = json.at("program").get<std::string>();
  helper.arguments = json.at("arguments").get<std::vector<std::string>>();
  helper.files = json.at("files").get<std::map<std::string, std::string>>();
  helper.data = json.at("data").get<std::map<std::string, std::string>>();
  return helper;
}

bool is_name_service(std::string_view key) { return key.starts_with(name_service_key("")); }

}  // namespace

bool BridgeServices::has_service(const Resource& bridge) {
  const auto enabled = [&](const char* key) { return bridge.spec.contains(key) && bridge.spec.at(key).at("enabled") == true; };
  return enabled("dhcp") || enabled("dns");
}

void BridgeServices::require(const BridgeSpec& spec) const {
  if ((spec.dhcp.enabled || spec.dns.enabled) && !helpers_.installed("dnsmasq"))
    throw Error{Code::unsupported, "dhcp and dns of a bridge need what this host lacks: the program dnsmasq"}.with_hint("install the package dnsmasq-base");
}

std::vector<Neighbour> BridgeServices::neighbours(const Resource& bridge) const {
  std::vector<Neighbour> found;
  for (const EntryPtr& entry : catalog_.dependents(bridge.uid)) {
    if (entry->resource.kind != Kind::container) continue;
    // The spec as it is kept is canonical, and to read it into its type would take most of the time.
    for (const Json& nic : entry->resource.spec.at("nics")) {
      if (nic.at("bridge") != bridge.name) continue;
      const Json& mac = nic.at("mac").is_string() ? nic.at("mac") : entry->resource.facts.at("macs").at(nic.at("name").get<std::string>());
      Neighbour one{entry->resource.name, mac.get<std::string>(), {}};
      for (const Json& address : nic.at("addresses")) {
        const Json& decided = address == "auto" ? entry->resource.facts.at("auto").at(nic.at("name").get<std::string>()) : address;
        one.addresses.push_back(Cidr::parse(decided.get<std::string>()).value());
      }
      found.push_back(std::move(one));
    }
  }
  return found;
}

void BridgeServices::plan(const Resource& bridge, const Entry* before, Plan& plan) const {
  const auto wanted = name_service_of(bridge, neighbours(bridge));
  const auto committed = before ? name_service_of(before->resource, {}) : std::nullopt;
  if (wanted ? helpers_.runs(*wanted) : !committed) return;
  const Json from = committed ? write(*committed) : Json();
  if (wanted)
    plan.add("service.start", {{"from", from}, {"to", write(*wanted)}}, "start dnsmasq for " + bridge.name);
  else
    plan.add("service.stop", {{"from", from}, {"to", nullptr}}, "stop dnsmasq of " + bridge.name, true);
}

void BridgeServices::plan_removal(const Resource& bridge, Plan& plan) const {
  if (const auto runs = name_service_of(bridge, {}))
    plan.add("service.stop", {{"from", write(*runs)}, {"to", nullptr}}, "stop dnsmasq of " + bridge.name, true);
}

ActionTable BridgeServices::actions() {
  const auto bring = [this](const Json& from, const Json& to) {
    if (to.is_null()) helpers_.stop(from.at("key").get<std::string>());
    else helpers_.start(read(to), -1);
  };
  const auto forward = [bring](const Json& args, Scratch&) { bring(args.at("from"), args.at("to")); };
  const auto back = [bring](const Json& args, Scratch&) {
    bring(args.at("to"), args.at("from"));
  };
  return {{"service.start", {forward, back}}, {"service.stop", {forward, back}}};
}

Json BridgeServices::leases(const Resource& bridge) const {
  Json shown = Json::array();
  const auto text = helpers_.read(name_service_key(bridge.uid), "leases");
  for (const Lease& lease : read_leases(text.value_or(""))) {
    const Time end{std::chrono::seconds{lease.expires_at}};
    if (lease.expires_at != 0 && end < now()) continue;
    shown.push_back({{"address", lease.address}, {"mac", lease.mac}, {"name", lease.name.empty() ? Json() : Json(lease.name)},
                     {"expires_at", lease.expires_at == 0 ? Json() : Json(rfc3339(end))}});
  }
  return shown;
}

void BridgeServices::check(const Resource& container, const ContainerSpec& spec) const {
  for (const NicSpec& nic : spec.nics) {
    const EntryPtr bridge = nic.bridge ? catalog_.find(Kind::bridge, *nic.bridge) : nullptr;
    if (!bridge || nic.addresses.empty() || !bridge->resource.spec.contains("dhcp")) continue;
    const std::string mac = nic_mac(container, nic).text();
    for (const Json& lease : leases(bridge->resource))
      for (const Cidr& cidr : nic.addresses)
        if (lease.at("address") == cidr.address().text() && lease.at("mac") != mac) {
          const std::string who = lease.at("name").is_string() ? lease.at("name").get<std::string>() : lease.at("mac").get<std::string>();
          throw Error{Code::duplicate, "address " + cidr.address().text() + " is leased to " + who + " by " + object_ref(Kind::bridge, bridge->resource.name)}
              .with_conflicts({object_ref(Kind::bridge, bridge->resource.name)})
              .with_hint("choose an address outside the bridge's dhcp range, or wait for the end of the lease");
        }
  }
}

void BridgeServices::refresh(const Resource& bridge) const {
  if (const auto wanted = name_service_of(bridge, neighbours(bridge)))
    for (const auto& [file, content] : wanted->data) helpers_.give(wanted->key, file, content);
}

void BridgeServices::collect_orphans() {
  for (const std::string& key : helpers_.known()) {
    if (!is_name_service(key)) continue;
    const EntryPtr bridge = catalog_.find_uid(key.substr(name_service_key("").size()));
    if (!bridge || !name_service_of(bridge->resource, {})) helpers_.stop(key);
  }
}

std::shared_ptr<void> BridgeServices::watch(Notice& notice) {
  return helpers_.watch([&notice](std::string_view key) {
    if (is_name_service(key)) notice.look_at(std::string{key.substr(name_service_key("").size())});
  });
}

}  // namespace sovirt
