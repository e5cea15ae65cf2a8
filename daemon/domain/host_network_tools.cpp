#include "daemon/domain/host_network_tools.hpp"

#include <set>

#include "daemon/domain/probes.hpp"
#include "daemon/domain/service.hpp"

namespace sovirt {
namespace {

constexpr std::size_t exec_output_limit = 1 << 20;  // bytes of each stream

}  // namespace

unique_fd HostNetworkTools::open(Place place, const std::string& of) const {
  if (place == Place::netns) return namespaces_.open(catalog_.need(Kind::netns, of)->resource);
  if (place != Place::container) return {};
  const EntryPtr container = catalog_.need(Kind::container, of);
  if (container->resource.spec.at("isolation") == "chroot") return {};
  if (!container->runtime.alive())
    throw Error{Code::conflict, object_ref(Kind::container, of) + " is " + container->runtime.state}.with_hint("start it first");
  return kernel_.network.open_netns(container->runtime.init.pid);
}

Json HostNetworkTools::sockets(std::string_view netns) {
  const unique_fd inside = open(Place::netns, std::string{netns});
  Json items = Json::array();
  for (const SocketState& one : kernel_.netns.inside.sockets(inside.get())) {
    Json process = nullptr;
    if (one.process) process = {{"pid", one.process->first}, {"name", one.process->second}};
    items.push_back({{"protocol", one.protocol}, {"state", one.state}, {"local", one.local}, {"peer", one.peer}, {"process", std::move(process)}});
  }
  return {{"items", std::move(items)}};
}

ExecResult HostNetworkTools::exec(std::string_view netns, const ExecRequest& request, const ChangeContext&) {
  const unique_fd inside = open(Place::netns, std::string{netns});
  return kernel_.netns.inside.exec(inside.get(), netns, request, exec_output_limit);
}

Json HostNetworkTools::probe(const ProbeRequest& request) {
  const unique_fd start = open(request.from, request.of);
  return Probes{catalog_, namespaces_, kernel_}.run(request, start.get());
}

// What objects of sovirt hold, and what the host's other interfaces have.
Json HostNetworkTools::addresses() {
  Json items = Json::array();
  std::set<std::pair<std::string, std::string>> known;
  for (const Kind kind : all_kinds())
    for (const EntryPtr& entry : catalog_.all(kind))
      for (const Claim& claim : entry->claims) {
        if (claim.type != "mac" && claim.type != "address") continue;
        known.emplace(claim.type, claim.value);
        items.push_back({{"type", claim.type}, {"value", claim.value}, {"holder", object_ref(kind, entry->resource.name)}, {"interface", nullptr}});
      }
  const auto add = [&](const char* type, const std::string& value, const std::string& interface) {
    if (known.emplace(type, value).second) items.push_back({{"type", type}, {"value", value}, {"holder", "host"}, {"interface", interface}});
  };
  for (const Interface& one : kernel_.netns.inside.interfaces(-1)) {
    if (one.link.name == "lo" || !one.link.mark.empty()) continue;
    if (!one.link.mac.zero()) add("mac", one.link.mac.text(), one.link.name);
    for (const Cidr& cidr : one.link.addresses) add("address", cidr.address().text(), one.link.name);
  }
  return {{"items", std::move(items)}};
}

}  // namespace sovirt
