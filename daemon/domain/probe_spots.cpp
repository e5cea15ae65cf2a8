#include "daemon/domain/probe_spots.hpp"

#include "daemon/domain/nic.hpp"

namespace sovirt {
namespace {

// A link's other end decides: a bridge is one segment for all of its ports.
std::string segment_of_link(const Resource& link) {
  for (const Json& end : link.spec.at("endpoints"))
    if (end.contains("bridge")) return "bridge/" + end.at("bridge").get<std::string>();
  return "link/" + link.uid;
}

// Both ends of a NIC carry the container's mark. One that is on no bridge is a segment of its own.
std::string segment_of_nic(const Resource& container, const std::string& interface) {
  std::size_t index = 0;
  for (const Json& nic : container.spec.at("nics")) {
    const auto name = nic.at("name").get<std::string>();
    const std::string host_name = nic_host_name(container, name, index++);
    const Json peer = nic.value("peer", Json());
    const bool outer = interface == host_name || (peer.is_object() && peer.value("name", Json()) == interface);
    if (name != interface && !outer) continue;
    return nic.at("bridge").is_string() ? "bridge/" + nic.at("bridge").get<std::string>() : "nic/" + host_name;
  }
  return "";
}

std::string segment_of(Catalog& catalog, const Interface& one) {
  if (one.link.kind == "bridge") return "bridge/" + one.link.name;
  const EntryPtr owner = one.link.mark.empty() ? nullptr : catalog.find_uid(one.link.mark);
  if (owner && owner->resource.kind == Kind::link) return segment_of_link(owner->resource);
  return owner && owner->resource.kind == Kind::container ? segment_of_nic(owner->resource, one.link.name) : "";
}

Spot look(Catalog& catalog, const KernelPorts& kernel, std::string where, unique_fd netns) {
  Spot spot;
  spot.where = std::move(where);
  spot.netns = std::move(netns);
  spot.interfaces = kernel.netns.inside.interfaces(spot.netns.get());
  for (const Interface& one : spot.interfaces) spot.segments.push_back(segment_of(catalog, one));
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
  const auto add = [&](const Resource& resource, auto open) {
    try {
      spots.push_back(look(catalog, kernel, object_ref(resource.kind, resource.name), open()));
    } catch (const Error&) {
      // It has just ended, or is damaged: nothing comes through there.
    }
  };
  for (const EntryPtr& entry : catalog.all(Kind::netns)) add(entry->resource, [&] { return namespaces.open(entry->resource); });
  for (const EntryPtr& entry : catalog.all(Kind::container))
    if (entry->runtime.alive() && entry->resource.spec.at("isolation") == "container")
      add(entry->resource, [&] { return kernel.network.open_netns(entry->runtime.init.pid); });
  spots.push_back(look(catalog, kernel, "host", {}));
  return spots;
}

}  // namespace sovirt
