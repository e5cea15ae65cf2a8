#include "daemon/domain/probe_spots.hpp"

namespace sovirt {
namespace {

// A link's other end decides: a bridge is one segment for all of its ports.
std::string segment_of_link(const Resource& link) {
  for (const Json& end : link.spec.at("endpoints"))
    if (end.contains("bridge")) return "bridge/" + end.at("bridge").get<std::string>();
  return "link/" + link.uid;
}

std::string segment_of_nic(const Resource& container, const std::string& name) {
  for (const Json& nic : container.spec.at("nics"))
    if (nic.at("name") == name && nic.at("bridge").is_string()) return "bridge/" + nic.at("bridge").get<std::string>();
  return "";
}

std::string segment_of(Catalog& catalog, const Resource* container, const Interface& one) {
  if (one.link.kind == "bridge") return "bridge/" + one.link.name;
  const EntryPtr owner = one.link.mark.empty() ? nullptr : catalog.find_uid(one.link.mark);
  if (owner && owner->resource.kind == Kind::link) return segment_of_link(owner->resource);
  return container ? segment_of_nic(*container, one.link.name) : "";
}

Spot look(Catalog& catalog, const KernelPorts& kernel, std::string where, unique_fd netns, const Resource* container) {
  Spot spot;
  spot.where = std::move(where);
  spot.netns = std::move(netns);
  spot.interfaces = kernel.netns.inside.interfaces(spot.netns.get());
  for (const Interface& one : spot.interfaces) spot.segments.push_back(segment_of(catalog, container, one));
  return spot;
}

}  // namespace

const Interface* Spot::named(const std::string& name) const {
  for (const Interface& one : interfaces)
    if (one.link.name == name) return &one;
  return nullptr;
}

const Interface* Spot::holding(const IpAddress& address) const {
  for (const Interface& one : interfaces)
    for (const Cidr& cidr : one.link.addresses)
      if (cidr.address() == address) return &one;
  return nullptr;
}

bool has_address(const Interface& one, bool v6) {
  for (const Cidr& cidr : one.link.addresses)
    if (cidr.address().is_v6() == v6) return true;
  return false;
}

std::vector<Spot> all_spots(Catalog& catalog, const NetnsRules& namespaces, const KernelPorts& kernel) {
  std::vector<Spot> spots;
  const auto add = [&](const Resource& resource, const Resource* container, auto open) {
    try {
      spots.push_back(look(catalog, kernel, object_ref(resource.kind, resource.name), open(), container));
    } catch (const Error&) {
      // It has just ended, or is damaged: nothing comes through there.
    }
  };
  for (const EntryPtr& entry : catalog.all(Kind::netns)) add(entry->resource, nullptr, [&] { return namespaces.open(entry->resource); });
  for (const EntryPtr& entry : catalog.all(Kind::container))
    if (entry->runtime.alive() && entry->resource.spec.at("isolation") == "container")
      add(entry->resource, &entry->resource, [&] { return kernel.network.open_netns(entry->runtime.init.pid); });
  spots.push_back(look(catalog, kernel, "host", {}, nullptr));
  return spots;
}

}  // namespace sovirt
