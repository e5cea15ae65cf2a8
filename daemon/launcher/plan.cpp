#include "daemon/launcher/plan.hpp"

#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/base/default_path.hpp"
#include "daemon/base/error.hpp"
#include "daemon/launcher/names.hpp"
#include "daemon/launcher/seccomp.hpp"

namespace sovirt::launch {
namespace {

using Json = nlohmann::json;

const Json& member(const Json& object, const char* name) {
  static const Json absent;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() ? *found : absent;
}
std::string text(const Json& value, std::string otherwise = {}) {
  return value.is_string() ? value.get<std::string>() : otherwise;
}
bool flag(const Json& value) { return value.is_boolean() && value.get<bool>(); }
std::uint64_t number(const Json& value, std::uint64_t otherwise = 0) {
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : otherwise;
}
std::vector<std::string> texts(const Json& array) {
  std::vector<std::string> all;
  if (!array.is_array()) return all;
  for (const Json& one : array) all.push_back(text(one));
  return all;
}

std::uint64_t capability_set(const Json& names) {
  std::uint64_t bits = 0;
  for (const std::string& name : texts(names)) {
    const int bit = capability_number(name);
    if (bit < 0) throw Error{Code::invalid, "config.json: no such capability: " + name};
    bits |= std::uint64_t{1} << bit;
  }
  return bits;
}

Capabilities read_capabilities(const Json& object) {
  Capabilities set;
  if (!object.is_object()) return set;
  set.given = true;
  set.bounding = capability_set(member(object, "bounding"));
  set.effective = capability_set(member(object, "effective"));
  set.permitted = capability_set(member(object, "permitted"));
  set.inheritable = capability_set(member(object, "inheritable"));
  set.ambient = capability_set(member(object, "ambient"));
  return set;
}

std::vector<ResourceLimit> read_limits(const Json& array) {
  std::vector<ResourceLimit> limits;
  if (!array.is_array()) return limits;
  for (const Json& one : array) {
    const std::string name = text(member(one, "type"));
    ResourceLimit limit;
    limit.resource = resource_number(name);
    if (limit.resource < 0) throw Error{Code::invalid, "config.json: no such rlimit: " + name};
    limit.value.rlim_cur = number(member(one, "soft"));
    limit.value.rlim_max = number(member(one, "hard"));
    limits.push_back(limit);
  }
  return limits;
}

// As execvp(3) searches, but ahead of the clone, because it allocates.
std::vector<std::string> candidates_for(const std::string& command, const std::vector<std::string>& env) {
  if (command.find('/') != std::string::npos) return {command};
  std::string path = default_path;
  for (const std::string& variable : env)
    if (variable.starts_with("PATH=")) path = variable.substr(5);
  std::vector<std::string> found;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find(':', begin), path.size());
    const std::string folder = path.substr(begin, end - begin);
    found.push_back((folder.empty() ? "." : folder) + "/" + command);
    begin = end + 1;
  }
  return found;
}

ProcessPlan process_from(const Json& object) {
  ProcessPlan process;
  auto env = texts(member(object, "env"));
  auto args = texts(member(object, "args"));
  if (!args.empty()) process.candidates = candidates_for(args.front(), env);
  process.args = CStrings{std::move(args)};
  process.env = CStrings{std::move(env)};
  process.cwd = text(member(object, "cwd"), "/");
  const Json& user = member(object, "user");
  process.uid = static_cast<uid_t>(number(member(user, "uid")));
  process.gid = static_cast<gid_t>(number(member(user, "gid")));
  process.umask = static_cast<mode_t>(number(member(user, "umask"), 022));
  const Json& groups = member(user, "additionalGids");
  if (groups.is_array())
    for (const Json& one : groups) process.groups.push_back(static_cast<gid_t>(number(one)));
  process.terminal = flag(member(object, "terminal"));
  process.no_new_privileges = flag(member(object, "noNewPrivileges"));
  const Json& size = member(object, "consoleSize");
  process.rows = static_cast<unsigned short>(number(member(size, "height"), 24));
  process.columns = static_cast<unsigned short>(number(member(size, "width"), 80));
  process.capabilities = read_capabilities(member(object, "capabilities"));
  process.limits = read_limits(member(object, "rlimits"));
  process.seccomp = compile_seccomp(member(object, "org.sovirt.seccomp"));
  return process;
}

MountPlan mount_from(const Json& object) {
  MountPlan mount;
  mount.target = text(member(object, "destination"));
  mount.source = text(member(object, "source"), "none");
  mount.type = text(member(object, "type"));
  if (!mount.target.starts_with('/')) throw Error{Code::invalid, "config.json: a mount's destination is not absolute"};
  for (const std::string& option : texts(member(object, "options"))) {
    const auto known = mount_option(option);
    if (option == "bind" || option == "rbind") mount.bind = true, mount.recursive = option == "rbind";
    else if (option == "slave" || option == "rslave") mount.propagation = MS_SLAVE;
    else if (option == "shared" || option == "rshared") mount.propagation = MS_SHARED;
    else if (known) mount.flags |= *known;
    else mount.data += (mount.data.empty() ? "" : ",") + option;
  }
  return mount;
}

bool is_below(const std::string& path, const std::string& folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

// sysfs shows the network namespace of whoever mounts it, so it waits for that, and so does what lies on it.
// The cgroups are many mounts: they are put together elsewhere before, and moved there in one step.
void mark_late_mounts(Plan& plan) {
  std::vector<std::string> late;
  for (MountPlan& mount : plan.mounts) {
    if (mount.type == "tmpfs" && mount.target == "/dev") plan.own_dev = true;
    const bool below = std::any_of(late.begin(), late.end(), [&](const auto& at) { return is_below(mount.target, at); });
    mount.late = plan.waits_for_network && (below || mount.type == "sysfs");
    if (mount.late) late.push_back(mount.target);
  }
}

std::vector<DevicePlan> read_devices(const Json& array) {
  std::vector<DevicePlan> devices;
  if (!array.is_array()) return devices;
  for (const Json& one : array) {
    DevicePlan device;
    const std::string type = text(member(one, "type"));
    device.path = text(member(one, "path"));
    if (!device.path.starts_with('/')) throw Error{Code::invalid, "config.json: a device's path is not absolute"};
    if (type != "c" && type != "b" && type != "u") throw Error{Code::invalid, "config.json: no such type of device: " + type};
    device.kind = type == "b" ? S_IFBLK : S_IFCHR;
    device.number = makedev(static_cast<unsigned>(number(member(one, "major"))), static_cast<unsigned>(number(member(one, "minor"))));
    device.mode = static_cast<mode_t>(number(member(one, "fileMode"), 0600)) & 0777;
    device.uid = static_cast<uid_t>(number(member(one, "uid")));
    device.gid = static_cast<gid_t>(number(member(one, "gid")));
    devices.push_back(std::move(device));
  }
  return devices;
}

std::vector<IdMap> read_id_map(const Json& array) {
  std::vector<IdMap> map;
  if (!array.is_array()) return map;
  for (const Json& one : array)
    map.push_back({static_cast<std::uint32_t>(number(member(one, "containerID"))),
                   static_cast<std::uint32_t>(number(member(one, "hostID"))),
                   static_cast<std::uint32_t>(number(member(one, "size")))});
  return map;
}

void read_namespaces(const Json& array, Plan& plan) {
  if (!array.is_array()) return;
  for (const Json& one : array) {
    const std::string type = text(member(one, "type"));
    const std::uint64_t kind = namespace_flag(type);
    if (kind == 0) throw Error{Code::invalid, "config.json: no such namespace: " + type};
    plan.namespaces |= kind;
  }
  // The network namespace is made and wired by the daemon while the child sets up its mounts.
  plan.waits_for_network = (plan.namespaces & CLONE_NEWNET) != 0;
  plan.namespaces |= CLONE_NEWNS;
}

Json parsed(std::string_view json) {
  Json document = Json::parse(json, nullptr, false);
  if (!document.is_object()) throw Error{Code::invalid, "config.json is not a JSON object"};
  return document;
}

}  // namespace

CStrings::CStrings(std::vector<std::string> texts) : texts_(std::move(texts)) {
  pointers_.clear();
  for (std::string& one : texts_) pointers_.push_back(one.data());
  pointers_.push_back(nullptr);
}

ProcessPlan read_process(std::string_view process_json) {
  ProcessPlan process = process_from(parsed(process_json));
  if (process.args.empty()) throw Error{Code::invalid, "nothing to execute"};
  return process;
}

Plan read_plan(std::string_view config_json, const CgroupView& cgroups) {
  const Json config = parsed(config_json);
  const Json& linux = member(config, "linux");
  Plan plan;
  plan.cgroups = cgroups;
  plan.chroot = text(member(member(config, "annotations"), "org.sovirt.isolation")) == "chroot";
  plan.hostname = text(member(config, "hostname"));
  plan.process = process_from(member(config, "process"));
  plan.process.seccomp = compile_seccomp(member(linux, "seccomp"));
  read_namespaces(member(linux, "namespaces"), plan);
  plan.uid_map = read_id_map(member(linux, "uidMappings"));
  plan.gid_map = read_id_map(member(linux, "gidMappings"));
  if (!plan.uid_map.empty()) plan.namespaces |= CLONE_NEWUSER;
  if (const Json& mounts = member(config, "mounts"); mounts.is_array())
    for (const Json& one : mounts) plan.mounts.push_back(mount_from(one));
  mark_late_mounts(plan);
  plan.devices = read_devices(member(linux, "devices"));
  plan.masked = texts(member(linux, "maskedPaths"));
  plan.readonly = texts(member(linux, "readonlyPaths"));
  return plan;
}

}  // namespace sovirt::launch
