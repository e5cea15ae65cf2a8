#include <fcntl.h>
#include <signal.h>

#include <cstdlib>

#include "daemon/base/default_path.hpp"
#include "daemon/domain/containers.hpp"
#include "daemon/domain/device_rules.hpp"
#include "daemon/domain/group_events.hpp"
#include "daemon/domain/hosts_files.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/nic.hpp"
#include "daemon/domain/oci_config.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

constexpr std::chrono::seconds kill_patience{10};
constexpr std::chrono::seconds start_moment{2};

RootfsLayers rootfs_layers(const Json& args) {
  return {text(args, "lower"), text(args, "directory"), args.value("layers", std::vector<std::string>{})};
}

}  // namespace

EntryPtr Containers::entry_of(const Json& args) const {
  const EntryPtr entry = catalog_.find_uid(text(args, "uid"));
  if (!entry) throw Error{Code::internal, "no container has uid " + text(args, "uid")};
  return entry;
}

std::vector<std::string> Containers::resolve_command(const ContainerSpec& spec, int rootfs, const std::string& name) const {
  if (spec.command) {
    const auto path = spec.env.find("PATH");
    const auto missing = kernel_.roots.missing_for(rootfs, spec.command->front(), path == spec.env.end() ? default_path : path->second);
    if (missing)
      throw Error{Code::conflict, *missing}
          .with_fields({{"/command/0", "not-executable", *missing}})
          .with_hint("the path is looked up inside the container's root file system, not on the host");
    return *spec.command;
  }
  if (spec.isolation == Isolation::chroot) return {};
  auto init = kernel_.roots.find_init(rootfs);
  if (!init)
    throw Error{Code::conflict, "image " + spec.image + " has no init (/sbin/init is not in the root file system)"}
        .with_hint("give " + name + " a command, for instance [\"/bin/sh\"], or use an image with an init");
  if (const auto missing = kernel_.roots.missing_for(rootfs, *init, default_path)) throw Error{Code::conflict, *missing};
  return {std::move(*init)};
}

// The name service of the first bridge that has one.
std::optional<Resolver> Containers::resolver_of(const ContainerSpec& spec) const {
  for (const NicSpec& nic : spec.nics) {
    const EntryPtr bridge = nic.bridge ? catalog_.find(Kind::bridge, *nic.bridge) : nullptr;
    if (!bridge) continue;
    const BridgeSpec bridge_spec = read_bridge_spec(bridge->resource.spec);
    if (bridge_spec.dns.enabled) return Resolver{bridge_spec.addresses, bridge_spec.dns.domain};
  }
  return std::nullopt;
}

void Containers::prepare(const Resource& container, Scratch& scratch) const {
  const ContainerSpec spec = container_spec_of(container);
  if (mount_ends_) mount_ends_(container.uid);
  scratch.rootfs = kernel_.roots.mount(layers_.of(container));
  OciInput input;
  input.name = container.name;
  input.uid = container.uid;
  input.spec = &spec;
  input.hostname = spec.hostname.value_or(container.name);
  input.command = resolve_command(spec, scratch.rootfs.get(), container.name);
  const std::string group = container_group(container.name, container.uid);
  input.cgroups_path = kernel_.cgroups.path(group);
  input.mounts = parts_.resolved(spec);
  input.devices = parts_.nodes(spec);
  if (spec.isolation == Isolation::container)
    kernel_.roots.write(scratch.rootfs.get(), hosts_files(input.hostname, spec, resolver_of(spec)));
  scratch.launch_spec = {container.uid, container.name, oci_config(input).dump(), group, spec.isolation,
                         log_path(container.uid), 1 << 20, spec.limits, std::nullopt};
  const bool usual_devices = spec.devices.empty() && !spec.security.privileged;
  if (spec.isolation == Isolation::container && !usual_devices)
    scratch.launch_spec.devices = device_rules(spec.security.privileged, spec.devices, input.devices);
}

Action Containers::launch_action() {
  return {[this](const Json& args, Scratch& scratch) {
            exits_.forget(text(args, "uid"));
            scratch.launch = kernel_.launcher.begin(scratch.launch_spec, std::move(scratch.rootfs));
          },
          [this](const Json& args, Scratch& scratch) {
            scratch.launch.reset();
            collect(args);
            kernel_.launcher.forget(text(args, "uid"));
          }};
}

Action Containers::network_action() {
  return {[this](const Json& args, Scratch& scratch) {
            scratch.netns = kernel_.network.create_netns();
            for (const Json& nic : args.at("nics")) nics_.plug(nic, scratch.netns.get());
            links_->enter(text(args, "uid"), scratch.netns.get());
          },
          [this](const Json& args, Scratch& scratch) {
            links_->leave(text(args, "uid"));
            scratch.netns.reset();
            for (const Json& nic : args.at("nics")) nics_.unplug(nic);
          }};
}

Action Containers::run_action() {
  return {[this](const Json& args, Scratch& scratch) {
            scratch.launched = scratch.launch->go(scratch.netns.get());
            scratch.launch.reset();
            catalog_.clear_condition(text(args, "uid"), "OutOfMemory");   // of its last life
            kernel_.group_watch.watch(text(args, "group"), text(args, "uid"), container_wish(entry_of(args)->resource.spec.at("limits")));
            if (!args.at("links").empty()) nics_.started(text(args, "uid"));
          },
          [this](const Json& args, Scratch& scratch) {
            scratch.launch.reset();
            collect(args);
          }};
}

int Containers::shutdown_signal(std::string_view uid, pid_t init) const {
  const EntryPtr entry = catalog_.find_uid(uid);
  const unique_fd root{::open(("/proc/" + std::to_string(init) + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!entry || !root) return SIGTERM;
  const ContainerSpec spec = read_container_spec(entry->resource.spec);
  if (spec.isolation == Isolation::chroot) return SIGTERM;
  const std::string command = spec.command ? spec.command->front() : kernel_.roots.find_init(root.get()).value_or("");
  return kernel_.roots.shutdown_signal(root.get(), command);
}

// An init that has just been started may not handle its signal yet, and would lose it: it is sent again until the
// container is a moment old. False: it will never hear it.
bool Containers::ask_to_end(const std::string& uid, pid_t init, Scratch& scratch) {
  const EntryPtr entry = catalog_.find_uid(uid);
  const Time started = entry && entry->runtime.started_at ? *entry->runtime.started_at : Time{};
  const int signal = shutdown_signal(uid, init);
  while (!kernel_.launcher.signal(uid, signal)) {
    if (now() - started > start_moment || now() < started) return false;
    if ((scratch.exit = exits_.wait(uid, std::chrono::milliseconds{20}))) return true;
  }
  return true;
}

void Containers::shut_down(const Json& args, Scratch& scratch) {
  const std::string uid = text(args, "uid");
  const auto report = kernel_.launcher.report(uid);
  if (!report) return;
  scratch.exit = report->exit;
  if (!report->running) return;
  kernel_.launcher.watch(uid);
  const std::string group = text(args, "group");
  kernel_.cgroups.set_frozen(group, false);  // a frozen process takes no signal
  if (!args.at("force").get<bool>()) {
    const bool heard = ask_to_end(uid, report->processes.init.pid, scratch);
    if (heard && !scratch.exit)
      scratch.exit = exits_.wait(uid, std::chrono::milliseconds{args.at("timeout_ms").get<std::int64_t>()});
    if (scratch.exit) return;
  }
  kernel_.cgroups.kill(group);
  scratch.exit = exits_.wait(uid, kill_patience);
  if (!scratch.exit) throw Error{Code::timed_out, "its init has not ended 10 s after SIGKILL"};
}

void Containers::collect(const Json& args) {
  const std::string group = text(args, "group");
  kernel_.cgroups.kill(group);
  if (mount_ends_) mount_ends_(text(args, "uid"));
  links_->leave(text(args, "uid"));
  nics_.forget(text(args, "uid"));
  for (const Json& link : args.at("links")) nics_.unplug(link);
  kernel_.cgroups.remove(group);
  kernel_.group_watch.forget(text(args, "uid"));
  const std::lock_guard lock(seen_mutex_);
  seen_.erase(text(args, "uid"));
}

ActionTable Containers::actions() {
  const auto nothing = [](const Json&, Scratch&) {};
  ActionTable table = parts_.actions();
  for (auto& [name, action] : nics_.actions()) {
    const auto seen_anew = [this](auto change) {
      return [this, change](const Json& args, Scratch& scratch) {
        change(args, scratch);
        const std::lock_guard lock(seen_mutex_);
        seen_.erase(text(args, "uid"));
      };
    };
    table[name] = {seen_anew(action.apply), seen_anew(action.undo)};
  }
  table["rootfs.create"] = {
      [this](const Json& args, Scratch&) { kernel_.roots.create(rootfs_layers(args)); },
      [this](const Json& args, Scratch&) { kernel_.roots.remove(text(args, "directory")); }};
  table["rootfs.discard"] = {
      [this](const Json& args, Scratch&) { kernel_.roots.move(text(args, "directory"), text(args, "trash")); },
      [this](const Json& args, Scratch&) { kernel_.roots.move(text(args, "trash"), text(args, "directory")); }};
  table["container.prepare"] = {
      [this](const Json& args, Scratch& scratch) { prepare(entry_of(args)->resource, scratch); },
      [](const Json&, Scratch& scratch) { scratch.rootfs.reset(); }};
  table["container.launch"] = launch_action();
  table["container.network"] = network_action();
  table["container.run"] = run_action();
  table["container.shutdown"] = {[this](const Json& args, Scratch& scratch) { shut_down(args, scratch); }, nothing};
  table["container.collect"] = {[this](const Json& args, Scratch&) { collect(args); }, nothing};
  table["container.limits"] = {
      [this](const Json& args, Scratch& scratch) {
        const std::string uid = args.value("uid", "");
        bring_limits(kernel_.cgroups, catalog_, uid, text(args, "group"), read_limits(args.at("to")), scratch);
        kernel_.group_watch.watch(text(args, "group"), uid, container_wish(args.at("to")));
      },
      [this](const Json& args, Scratch&) { kernel_.cgroups.set_limits(text(args, "group"), read_limits(args.at("from"))); }};
  table["container.freeze"] = {
      [this](const Json& args, Scratch&) { kernel_.cgroups.set_frozen(text(args, "group"), args.at("frozen").get<bool>()); },
      [this](const Json& args, Scratch&) { kernel_.cgroups.set_frozen(text(args, "group"), !args.at("frozen").get<bool>()); }};
  return table;
}

}  // namespace sovirt
