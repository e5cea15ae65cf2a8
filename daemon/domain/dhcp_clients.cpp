#include "daemon/domain/dhcp_clients.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "daemon/domain/ids.hpp"
#include "daemon/domain/nic.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

constexpr std::string_view key_prefix = "dhcp-";
constexpr std::size_t uid_length = 21;   // ids.hpp: the instance, a dash, 12 random letters

std::string bridge_key(const Resource& bridge) { return std::string{key_prefix} + bridge.uid; }
std::string nic_key(const Resource& container, const std::string& nic, std::size_t index) {
  return std::string{key_prefix} + container.uid + "-" + std::to_string(nic_slot(container, nic, index));
}

HelperSpec client(std::string key, const std::string& interface, const std::string& hostname) {
  HelperSpec helper;
  helper.key = std::move(key);
  // By env(1), since the script that udhcpc calls takes no arguments of ours. It asks for ever: a server may come late.
  helper.program = "env";
  helper.arguments = {"SOVIRT_DIR={dir}", "busybox", "udhcpc", "-f", "-R", "-i", interface, "-s", "{libexec}/dhcp-event",
                      "-t", "4", "-T", "1", "-A", "3"};
  if (!hostname.empty()) helper.arguments.insert(helper.arguments.end(), {"-x", "hostname:" + hostname});
  return helper;
}

Json start_args(const HelperSpec& helper) { return {{"key", helper.key}, {"program", helper.program}, {"arguments", helper.arguments}}; }

HelperSpec read(const Json& args) {
  HelperSpec helper;
  helper.key = text(args, "key");
  helper.program = text(args, "program");
  helper.arguments = args.at("arguments").get<std::vector<std::string>>();
  return helper;
}

}  // namespace

void DhcpClients::require() const {
  if (!helpers_.installed("busybox"))
    throw Error{Code::unsupported, "a DHCP client needs what this host lacks: busybox with udhcpc"}.with_hint("install the package busybox");
}

void DhcpClients::plan_bridge(const Resource& bridge, const BridgeSpec& spec, const Entry* before, const LinkState* link, Plan& plan) const {
  const HelperSpec helper = client(bridge_key(bridge), bridge.name, "");
  if (spec.address_from != AddressFrom::dhcp) {
    const bool had = before && read_bridge_spec(before->resource.spec).address_from == AddressFrom::dhcp;
    if (had) plan.add("dhcp.stop", start_args(helper), "stop the DHCP client of " + bridge.name, true);
    return;
  }
  bool well = helpers_.runs(helper);
  if (const auto lease = well ? helpers_.read(helper.key, "lease") : std::nullopt; lease && link) {
    const auto address = Cidr::parse(lease->substr(0, lease->find('\n')));
    well = !address || std::find(link->addresses.begin(), link->addresses.end(), *address) != link->addresses.end();
  }
  if (!well) plan.add("dhcp.start", start_args(helper), "ask for an address of " + bridge.name + " by DHCP");
}

void DhcpClients::plan_bridge_removal(const Resource& bridge, Plan& plan) const {
  if (read_bridge_spec(bridge.spec).address_from == AddressFrom::dhcp)
    plan.add("dhcp.stop", start_args(client(bridge_key(bridge), bridge.name, "")), "stop the DHCP client of " + bridge.name, true);
}

void DhcpClients::plan_nic(const Resource& container, const NicSpec& nic, std::size_t index, std::optional<pid_t> init, Plan& plan) const {
  if (!nic.dhcp) return;
  const HelperSpec helper = client(nic_key(container, nic.name, index), nic.name, container.name);
  if (init && helpers_.runs(helper)) return;
  Json args = start_args(helper);
  args["pid"] = init.value_or(0);
  plan.add("dhcp.start", std::move(args), "ask for an address of " + nic.name + " of " + container.name + " by DHCP");
}

void DhcpClients::plan_stop(const Resource& container, const ContainerSpec& spec, Plan& plan) const {
  for (std::size_t index = 0; index < spec.nics.size(); ++index)
    if (spec.nics[index].dhcp) plan_stop_nic(container, spec.nics[index], index, plan);
}

void DhcpClients::plan_stop_nic(const Resource& container, const NicSpec& nic, std::size_t index, Plan& plan) const {
  plan.add("dhcp.stop", start_args(client(nic_key(container, nic.name, index), nic.name, container.name)), "stop the DHCP client of " + nic.name + " of " + container.name);
}

ActionTable DhcpClients::actions() {
  const auto start = [this](const Json& args, Scratch& scratch) {
    const HelperSpec helper = read(args);
    helpers_.stop(helper.key);   // one that runs has lost its address: it must ask again
    if (!args.contains("pid")) return helpers_.start(helper, -1);
    if (args.at("pid") == 0) return helpers_.start(helper, scratch.netns.get());
    try {
      const unique_fd netns = network_.open_netns(args.at("pid").get<pid_t>());
      helpers_.start(helper, netns.get());
    } catch (const Error& error) {
      if (error.code() != Code::not_found) throw;   // the container has just ended, and its end is on the way to us
    }
  };
  const auto stop = [this](const Json& args, Scratch&) { helpers_.stop(text(args, "key")); };
  const auto nothing = [](const Json&, Scratch&) {};
  return {{"dhcp.start", {start, stop}}, {"dhcp.stop", {stop, nothing}}};
}

// Of what is gone, or does not run any more.
void DhcpClients::collect_orphans() {
  for (const std::string& key : helpers_.known()) {
    if (!key.starts_with(key_prefix)) continue;
    const EntryPtr owner = catalog_.find_uid(key.substr(key_prefix.size(), uid_length));
    const bool of_container = owner && owner->resource.kind == Kind::container;
    if (!owner || (of_container && !owner->runtime.alive())) helpers_.stop(key);
  }
}

// A container's client is looked after by the bridge its NIC is plugged into.
std::shared_ptr<void> DhcpClients::watch(Notice& notice) {
  return helpers_.watch([this, &notice](std::string_view key) {
    if (!key.starts_with(key_prefix)) return;
    const EntryPtr owner = catalog_.find_uid(key.substr(key_prefix.size(), uid_length));
    if (!owner) return;
    if (owner->resource.kind == Kind::bridge) return notice.look_at(owner->resource.uid);
    for (const std::string& target : owner->references) {
      const EntryPtr bridge = catalog_.find_uid(target);
      if (bridge && bridge->resource.kind == Kind::bridge) notice.look_at(target);
    }
  });
}

}  // namespace sovirt
