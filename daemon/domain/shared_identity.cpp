#include "daemon/domain/shared_identity.hpp"

#include <algorithm>

#include "api/container.hpp"
#include "daemon/domain/nic.hpp"

namespace sovirt {
namespace {

constexpr const char* key = "shared_claims";

bool holds(const std::vector<Claim>& list, const Claim& one) {
  return std::any_of(list.begin(), list.end(), [&](const Claim& c) { return c.type == one.type && c.value == one.value; });
}

// Everybody else with this value: who holds it, and who shares it.
std::vector<EntryPtr> others_with(const Claim& claim, const Resource& container, const Catalog& catalog) {
  std::vector<EntryPtr> found;
  if (const EntryPtr holder = catalog.holder(claim); holder && holder->resource.uid != container.uid) found.push_back(holder);
  for (const EntryPtr& other : catalog.all(Kind::container))
    if (other->resource.uid != container.uid && holds(shared_claims(other->resource), claim)) found.push_back(other);
  return found;
}

}  // namespace

std::vector<Claim> shared_claims(const Resource& container) {
  std::vector<Claim> shared;
  const auto found = container.facts.find(key);
  if (found == container.facts.end()) return shared;
  for (const Json& one : *found) shared.push_back({one.at("type").get<std::string>(), one.at("value").get<std::string>()});
  return shared;
}

void set_shared_claims(Json& facts, const std::vector<Claim>& claims) {
  facts.erase(key);
  for (const Claim& claim : claims) facts[key].push_back({{"type", claim.type}, {"value", claim.value}});
}

std::vector<Claim> nic_claims(const Resource& container) {
  std::vector<Claim> claims;
  for (const NicSpec& nic : container_spec_of(container).nics) {
    claims.push_back({"mac", nic_mac(container, nic).text()});
    for (const Cidr& cidr : nic.peer.addresses) claims.push_back({"address", cidr.address().text()});
    if (nic.netns && !nic.peer.name.empty()) claims.push_back({"interface", "netns/" + *nic.netns + "/" + nic.peer.name});
    for (const Cidr& cidr : nic.addresses) claims.push_back({"address", cidr.address().text()});
    for (const PublishSpec& one : nic.publish) claims.push_back({"port", (one.udp ? "udp/" : "tcp/") + std::to_string(one.host_port)});
  }
  return claims;
}

std::vector<Claim> still_shared(const Resource& wanted, const Catalog& catalog) {
  std::vector<Claim> shared = shared_claims(wanted);
  if (shared.empty()) return shared;
  const std::vector<Claim> named = nic_claims(wanted);
  std::erase_if(shared, [&](const Claim& claim) {
    const EntryPtr holder = catalog.holder(claim);
    return !holds(named, claim) || !holder || holder->resource.uid == wanted.uid;
  });
  return shared;
}

void check_alone(const Resource& container, const Catalog& catalog) {
  // Looked for only where it can be: in the few containers that share anything.
  const auto refuse = [&](const Claim& claim, const Entry& other) {
    const std::string ref = object_ref(other.resource.kind, other.resource.name);
    throw Error{Code::duplicate, "the " + claim.type + " " + claim.value + " is in use by " + ref + ", which runs"}
        .with_conflicts({ref})
        .with_hint("stop " + other.resource.name + " first, or give one of the two another " + claim.type);
  };
  for (const Claim& claim : shared_claims(container))
    if (const EntryPtr holder = catalog.holder(claim);
        holder && holder->resource.uid != container.uid && (holder->resource.kind != Kind::container || holder->runtime.alive()))
      refuse(claim, *holder);
  std::vector<Claim> own;
  for (const EntryPtr& other : catalog.all(Kind::container)) {
    if (!other->runtime.alive() || other->resource.uid == container.uid || !other->resource.facts.contains(key)) continue;
    if (own.empty()) own = nic_claims(container);
    for (const Claim& claim : shared_claims(other->resource))
      if (holds(own, claim)) refuse(claim, *other);
  }
}

Json show_shared(const Resource& container, const Catalog& catalog) {
  Json list = Json::array();
  for (const Claim& claim : shared_claims(container)) {
    Json with = Json::array();
    for (const EntryPtr& other : others_with(claim, container, catalog)) with.push_back(object_ref(other->resource.kind, other->resource.name));
    list.push_back({{"type", claim.type}, {"value", claim.value}, {"with", std::move(with)}});
  }
  return list;
}

}  // namespace sovirt
