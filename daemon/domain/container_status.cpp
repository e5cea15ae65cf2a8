#include "daemon/domain/containers.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/nic.hpp"
#include "daemon/domain/shared_identity.hpp"

namespace sovirt {
namespace {

// How old what was seen inside a network namespace may be.
constexpr std::chrono::milliseconds fresh{500};

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json exit_json(const std::optional<ExitStatus>& exit) {
  if (!exit) return nullptr;
  return {{"code", or_null(exit->code)}, {"signal", or_null(exit->signal)}, {"at", rfc3339(exit->at)}};
}

Json usage_json(CgroupTree& cgroups, const std::string& group) {
  try {
    const CgroupUsage usage = cgroups.usage(group);
    return {{"cpu_ns", or_null(usage.cpu_ns)},
            {"memory_bytes", or_null(usage.memory_bytes)},
            {"memory_max_bytes", or_null(usage.memory_max_bytes)},
            {"pids", or_null(usage.pids)}};
  } catch (const Error&) {
    return nullptr;  // it ended a moment ago: its end is on the way to us
  }
}

// Of the limits that are asked: most containers have none, and an answer must not read a dozen files for them.
Json controllers_json(const KernelPorts& kernel, const Entry& entry, const std::string& group) {
  static const Json none = write_limits({});
  const Json& limits = entry.resource.spec.at("limits");
  if (!entry.runtime.alive() || limits == none) return Json::object();
  try {
    return kernel.meters.controllers(group, read_limits(limits), false);
  } catch (const Error&) {
    return Json::object();
  }
}

}  // namespace

// What the spec says of each NIC, with what the kernel shows of it now. From the spec as it is kept, which is canonical:
// to read it into its type takes longer than the rest of an answer.
Json Containers::nics_status(const Entry& entry) const {
  const Json& wanted = entry.resource.spec.at("nics");
  std::vector<LinkState> links;
  if (entry.runtime.alive() && entry.resource.spec.at("isolation") == "container" && !wanted.empty()) {
    const std::lock_guard lock(seen_mutex_);
    Seen& seen = seen_[entry.resource.uid];
    const auto time = std::chrono::steady_clock::now();
    if (seen.links.empty() || time - seen.at > fresh) {
      try {
        seen = {time, kernel_.network.links_in(kernel_.network.open_netns(entry.runtime.init.pid).get())};
      } catch (const Error&) {
        seen.links.clear();
      }
    }
    links = seen.links;
  }
  Json nics = Json::array();
  for (std::size_t index = 0; index < wanted.size(); ++index) {
    const Json& nic = wanted[index];
    const auto& name = nic.at("name").get_ref<const std::string&>();
    const Json& mac = nic.at("mac").is_string() ? nic.at("mac") : entry.resource.facts.at("macs").at(name);
    Json shown{{"name", name}, {"bridge", nic.at("bridge").is_string() ? nic.at("bridge") : Json("")}, {"netns", nic.value("netns", Json())}, {"mac", mac},
               {"host_name", nic_host_name(entry.resource, name, index)}, {"up", false}, {"addresses", Json::array()}};
    const auto chosen = entry.resource.facts.find("auto");   // what "auto" stands for
    shown["chosen"] = chosen != entry.resource.facts.end() ? chosen->value(name, Json()) : Json();
    shown["rate"] = nics_.rate_status(entry, nic, index);
    for (const LinkState& link : links) {
      if (link.name != name) continue;
      shown["mac"] = link.mac.text();
      shown["mtu"] = link.mtu;
      shown["up"] = link.up;
      shown["ifindex"] = link.ifindex;
      for (const Cidr& cidr : link.addresses) shown["addresses"].push_back(cidr.text());
    }
    nics.push_back(std::move(shown));
  }
  return nics;
}

// What it will only take on when it starts again.
Json Containers::restart_needed(const Entry& entry) const {
  Json conditions = Json::array();
  const auto changed = entry.resource.facts.find("changed");
  if (!entry.runtime.alive() || changed == entry.resource.facts.end() || !entry.runtime.started_at) return conditions;
  std::string fields;
  Time since{};
  for (const auto& [field, at] : changed->items()) {
    const auto time = parse_rfc3339(at.get_ref<const std::string&>());
    if (!time || *time <= *entry.runtime.started_at) continue;
    fields += (fields.empty() ? "" : ", ") + field;
    since = std::max(since, *time);
  }
  if (!fields.empty())
    conditions.push_back({{"type", "RestartNeeded"}, {"status", true}, {"reason", "SpecChanged"},
                          {"message", "takes effect at its next start: " + fields}, {"since", rfc3339(since)}});
  return conditions;
}

Json Containers::status(const Entry& entry) const {
  const RuntimeRow& runtime = entry.runtime;
  const bool alive = runtime.alive();
  const std::string group = container_group(entry.resource.name, entry.resource.uid);
  Json nics = nics_status(entry);
  Json addresses = Json::array();
  for (const Json& nic : nics)
    for (const Json& address : nic.at("addresses")) addresses.push_back(address);
  Json status{{"state", runtime.state},
              {"pid", alive ? Json(runtime.init.pid) : Json()},
              {"started_at", runtime.started_at ? Json(rfc3339(*runtime.started_at)) : Json()},
              {"exit", alive ? Json() : exit_json(runtime.exit)},
              {"addresses", std::move(addresses)},
              {"nics", std::move(nics)},
              {"cgroup", alive ? Json(kernel_.cgroups.path(group)) : Json()},
              {"controllers", controllers_json(kernel_, entry, group)},
              {"usage", alive ? usage_json(kernel_.cgroups, group) : Json()},
              {"image_digest", entry.resource.facts.at("image_digest")},
              {"rootfs", {{"lower", entry.resource.facts.at("image_directory")},
                          {"layers", layers_.of(entry.resource).layers},
                          {"upper", directory(entry.resource.uid) + "/upper"}}}};
  if (Json shared = show_shared(entry.resource, catalog_); !shared.empty()) status["shared_identity"] = std::move(shared);
  if (Json conditions = restart_needed(entry); !conditions.empty()) status["conditions"] = std::move(conditions);
  if (runtime.state == "failed") status["reason"] = runtime.failure;
  return status;
}

}  // namespace sovirt
