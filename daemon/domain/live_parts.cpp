#include "daemon/domain/live_parts.hpp"

#include <algorithm>

#include "api/reader.hpp"
#include "daemon/domain/device_rules.hpp"
#include "daemon/domain/hosts_files.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

Json mount_args(const std::string& uid, const MountSpec& mount) { return {{"uid", uid}, {"mounts", write_mounts({mount})}}; }

MountSpec read_mount_args(const Json& args) {
  std::vector<FieldError> errors;
  ObjectReader in{args, "", errors};
  return read_mounts(in).at(0);
}

Json node_args(const std::string& uid, const DeviceNode& node) {
  return {{"uid", uid},           {"path", node.path}, {"type", node.type}, {"major", node.major}, {"minor", node.minor},
          {"mode", node.mode},    {"owner", node.uid}, {"group", node.gid}};
}

DeviceNode read_node_args(const Json& args) {
  const auto number = [&](const char* key) { return args.at(key).get<std::uint32_t>(); };
  return {text(args, "path"), text(args, "type"), number("major"), number("minor"), number("mode"), number("owner"), number("group")};
}

Json write_rules(const std::vector<DeviceRule>& rules) {
  const auto or_null = [](const std::optional<std::uint32_t>& value) { return value ? Json(*value) : Json(); };
  Json list = Json::array();
  for (const DeviceRule& rule : rules)
    list.push_back({{"type", std::string{rule.type}}, {"major", or_null(rule.major)}, {"minor", or_null(rule.minor)}, {"access", rule.access}, {"asked", rule.asked}});
  return list;
}

std::vector<DeviceRule> read_rules(const Json& list) {
  const auto optional = [](const Json& value) { return value.is_null() ? std::nullopt : std::optional{value.get<std::uint32_t>()}; };
  std::vector<DeviceRule> rules;
  for (const Json& one : list)
    rules.push_back({text(one, "type")[0], optional(one.at("major")), optional(one.at("minor")), text(one, "access"), one.at("asked").get<bool>()});
  return rules;
}

template <typename T>
bool holds(const std::vector<T>& all, const T& one) { return std::find(all.begin(), all.end(), one) != all.end(); }

}  // namespace

std::vector<MountSpec> LiveParts::resolved(const ContainerSpec& spec) const {
  std::vector<MountSpec> mounts = spec.mounts;
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    if (mounts[i].type != MountSpec::Type::volume) continue;
    mounts[i].source = volumes_.path_of(mounts[i].source, "/mounts/" + std::to_string(i) + "/source");
    mounts[i].type = MountSpec::Type::bind;
  }
  return mounts;
}

std::vector<DeviceNode> LiveParts::nodes(const ContainerSpec& spec) const {
  std::vector<DeviceNode> nodes;
  for (std::size_t i = 0; i < spec.devices.size(); ++i)
    nodes.push_back(kernel_.live.examine(spec.devices[i], "/devices/" + std::to_string(i) + "/source"));
  return nodes;
}

void LiveParts::check(const ContainerSpec& wanted, const ContainerSpec* before) const {
  const auto mounts = resolved(wanted);
  for (std::size_t i = 0; i < mounts.size(); ++i)
    if (!before || !holds(before->mounts, wanted.mounts[i])) kernel_.live.check_source(mounts[i], "/mounts/" + std::to_string(i) + "/source");
  for (std::size_t i = 0; i < wanted.devices.size(); ++i)
    if (!before || !holds(before->devices, wanted.devices[i]))
      kernel_.live.examine(wanted.devices[i], "/devices/" + std::to_string(i) + "/source");
}

void LiveParts::plan(Plan& plan, const Resource& container, const ContainerSpec& before, const ContainerSpec& wanted) const {
  plan_mounts(plan, container, before, wanted);
  plan_devices(plan, container, before, wanted);
  const std::string from = before.hostname.value_or(container.name), to = wanted.hostname.value_or(container.name);
  const auto addresses = [](const ContainerSpec& spec) {
    std::vector<Cidr> all;
    for (const NicSpec& nic : spec.nics) all.insert(all.end(), nic.addresses.begin(), nic.addresses.end());
    return all;
  };
  if (from == to && addresses(before) != addresses(wanted))
    plan.add("container.hosts", {{"uid", container.uid}, {"name", to}, {"from", hosts_of(before)}, {"to", hosts_of(wanted)}}, "write /etc/hosts of " + container.name);
  if (from != to)
    plan.add("container.hostname", {{"uid", container.uid}, {"from", from}, {"to", to}, {"from_hosts", hosts_of(before)}, {"to_hosts", hosts_of(wanted)}},
             "set the host name of " + container.name + " to " + to);
}

// What goes away goes first and in reverse order, so that what lies on another mount is gone before that is.
void LiveParts::plan_mounts(Plan& plan, const Resource& container, const ContainerSpec& before, const ContainerSpec& wanted) const {
  const auto old_mounts = resolved(before), new_mounts = resolved(wanted);
  for (auto mount = old_mounts.rbegin(); mount != old_mounts.rend(); ++mount)
    if (!holds(new_mounts, *mount))
      plan.add("container.unmount", mount_args(container.uid, *mount), "unmount " + mount->target + " in " + container.name, true);
  for (const MountSpec& mount : new_mounts)
    if (!holds(old_mounts, mount))
      plan.add("container.mount", mount_args(container.uid, mount),
               "mount " + (mount.source.empty() ? "a tmpfs" : mount.source) + " at " + mount.target + " in " + container.name);
}

void LiveParts::plan_devices(Plan& plan, const Resource& container, const ContainerSpec& before, const ContainerSpec& wanted) const {
  if (before.devices == wanted.devices) return;
  const auto old_nodes = nodes(before), new_nodes = nodes(wanted);
  plan.add("container.devices",
           {{"group", container_group(container.name, container.uid)},
            {"from", write_rules(device_rules(before.security.privileged, before.devices, old_nodes))},
            {"to", write_rules(device_rules(before.security.privileged, wanted.devices, new_nodes))}},
           "set the devices that " + container.name + " may use");
  for (std::size_t i = 0; i < old_nodes.size(); ++i)
    if (!holds(wanted.devices, before.devices[i]))
      plan.add("container.device-remove", node_args(container.uid, old_nodes[i]), "remove " + old_nodes[i].path + " in " + container.name, true);
  for (std::size_t i = 0; i < new_nodes.size(); ++i)
    if (!holds(before.devices, wanted.devices[i]))
      plan.add("container.device-add", node_args(container.uid, new_nodes[i]), "make " + new_nodes[i].path + " in " + container.name);
}

// What goes into its /etc/hosts of a spec, as args of a step.
Json LiveParts::hosts_of(const ContainerSpec& spec) {
  Json list = Json::array();
  for (const NicSpec& nic : spec.nics)
    for (const Cidr& cidr : nic.addresses) list.push_back(cidr.text());
  return list;
}

void LiveParts::write_hosts(const std::string& uid, const std::string& name, const Json& addresses) const {
  ContainerSpec spec;
  spec.nics.emplace_back();
  for (const Json& one : addresses) spec.nics[0].addresses.push_back(Cidr::parse(one.get<std::string>()).value());
  std::vector<RootfsFile> files = hosts_files(name, spec, std::nullopt);
  std::erase_if(files, [](const RootfsFile& file) { return file.path == "/etc/resolv.conf"; });
  kernel_.roots.write(root_of(uid).get(), files);
}

unique_fd LiveParts::root_of(const std::string& uid) const {
  const EntryPtr entry = catalog_.find_uid(uid);
  if (!entry) throw Error{Code::internal, "no container has uid " + uid};
  return kernel_.files.root_of(entry->runtime.init);
}


ActionTable LiveParts::actions() {
  const auto mount = [this](const Json& args, Scratch&) { kernel_.live.mount(text(args, "uid"), read_mount_args(args)); };
  const auto unmount = [this](const Json& args, Scratch&) { kernel_.live.unmount(text(args, "uid"), read_mount_args(args)); };
  const auto add = [this](const Json& args, Scratch&) { kernel_.live.add_device(root_of(text(args, "uid")).get(), read_node_args(args)); };
  const auto remove = [this](const Json& args, Scratch&) { kernel_.live.remove_device(root_of(text(args, "uid")).get(), text(args, "path")); };
  const auto name = [this](const char* which, const char* hosts) {
    return [this, which, hosts](const Json& args, Scratch&) {
      kernel_.live.set_hostname(text(args, "uid"), text(args, which));
      write_hosts(text(args, "uid"), text(args, which), args.at(hosts));
    };
  };
  const auto hosts = [this](const char* which) {
    return [this, which](const Json& args, Scratch&) { write_hosts(text(args, "uid"), text(args, "name"), args.at(which)); };
  };
  const auto rules = [this](const char* which) {
    return [this, which](const Json& args, Scratch&) { kernel_.cgroups.set_devices(text(args, "group"), read_rules(args.at(which))); };
  };
  ActionTable table;
  table["container.mount"] = {mount, unmount};
  table["container.unmount"] = {unmount, mount};
  table["container.device-add"] = {add, remove};
  table["container.device-remove"] = {remove, add};
  table["container.devices"] = {rules("to"), rules("from")};
  table["container.hostname"] = {name("to", "to_hosts"), name("from", "from_hosts")};
  table["container.hosts"] = {hosts("to"), hosts("from")};
  return table;
}

}  // namespace sovirt
