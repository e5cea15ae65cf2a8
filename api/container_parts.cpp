#include "api/container_parts.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "api/names.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr std::size_t most_mounts = 64, most_devices = 64, longest_target = 1000;
constexpr std::uint64_t most_tmpfs = std::uint64_t{1} << 50, least_tmpfs = 4096;

bool has_dots(std::string_view path) {
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    const auto part = path.substr(begin, end - begin);
    if (part == ".." || part == ".") return true;
    begin = end + 1;
  }
  return false;
}

// "" where it can be a path in a container or of a host, written in one way only.
std::string wrong_path(const std::string& path, std::size_t longest) {
  if (!path.starts_with('/')) return "must be an absolute path";
  if (path.size() > longest) return "has more than " + std::to_string(longest) + " bytes";
  if (path.find('\0') != std::string::npos) return "cannot hold NUL";
  if (has_dots(path)) return "cannot hold \".\" or \"..\"";
  if (path.find("//") != std::string::npos || (path.size() > 1 && path.ends_with('/'))) return "cannot have empty parts: one slash between two names";
  return {};
}

bool below(const std::string& path, const std::string& folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

void read_source(ObjectReader& in, MountSpec& mount) {
  mount.source = in.string("source", 4096).value_or("");
  switch (mount.type) {
    case MountSpec::Type::bind: {
      in.require("source");
      const std::string wrong = wrong_path(mount.source, 4095);
      if (in.has("source") && !wrong.empty()) in.fail("source", "format", wrong);
      return;
    }
    case MountSpec::Type::volume:
      in.require("source");
      if (in.has("source") && !valid_name(mount.source))
        in.fail("source", "format", "\"" + mount.source.substr(0, 80) + "\" cannot be the name of a volume: ^[a-z][a-z0-9-]{0,62}$");
      return;
    case MountSpec::Type::tmpfs:
      if (!mount.source.empty()) in.fail("source", "conflict", "a tmpfs has no source");
  }
}

MountSpec read_mount(ObjectReader& in) {
  MountSpec mount;
  mount.type = static_cast<MountSpec::Type>(in.choice("type", {"bind", "tmpfs", "volume"}).value_or(0));
  mount.target = in.string("target", 4096).value_or("");
  in.require("target");
  if (const auto wrong = wrong_path(mount.target, longest_target); in.has("target") && !wrong.empty()) in.fail("target", "format", wrong);
  const bool kernel = mount.target == "/" || mount.target == "/dev" || below(mount.target, "/proc") || below(mount.target, "/sys");
  if (kernel) in.fail("target", "range", "/, /dev, /proc and /sys are the container's own");
  read_source(in, mount);
  mount.read_only = in.boolean("read_only").value_or(false);
  const bool bind = mount.type == MountSpec::Type::bind;
  if (!bind && in.boolean("recursive") == false) in.fail("recursive", "conflict", "is for type bind");
  mount.recursive = in.boolean("recursive").value_or(true);
  mount.propagation = static_cast<MountSpec::Propagation>(in.choice("propagation", {"private", "slave", "shared"}).value_or(0));
  if (mount.type == MountSpec::Type::tmpfs && mount.propagation != MountSpec::Propagation::isolated)
    in.fail("propagation", "conflict", "is for types bind and volume");
  mount.size = in.unsigned_integer("size", most_tmpfs).value_or(0);
  if (mount.size != 0 && mount.type != MountSpec::Type::tmpfs) in.fail("size", "conflict", "is for type tmpfs");
  if (mount.size != 0 && mount.size < least_tmpfs) in.fail("size", "range", "must be at least 4096, or 0 for half of the memory");
  return mount;
}

DeviceSpec read_device(ObjectReader& in) {
  DeviceSpec device;
  device.path = in.string("path", 4096).value_or("");
  in.require("path");
  std::string wrong = wrong_path(device.path, longest_target);
  if (wrong.empty() && (!device.path.starts_with("/dev/") || below(device.path, "/dev/pts"))) wrong = "must lie below /dev, and not below /dev/pts";
  if (in.has("path") && !wrong.empty()) in.fail("path", "format", wrong);
  device.source = in.string("source", 4096).value_or(device.path);
  if (const auto bad = wrong_path(device.source, 4095); in.has("source") && !bad.empty()) in.fail("source", "format", bad);
  device.access = in.string("access", 64).value_or("rwm");
  const bool known = !device.access.empty() && device.access.find_first_not_of("rwm") == std::string::npos &&
                     std::set<char>(device.access.begin(), device.access.end()).size() == device.access.size();
  if (!known) in.fail("access", "format", "must be made of r, w and m (mknod), each at most once");
  if (const auto mode = in.string("mode", 64)) {
    const bool octal = mode->size() >= 3 && mode->size() <= 4 && mode->find_first_not_of("01234567") == std::string::npos;
    if (octal) device.mode = static_cast<std::uint32_t>(std::stoul(*mode, nullptr, 8) & 0777U);
    else in.fail("mode", "format", "must be octal permissions such as \"0660\"");
  }
  constexpr std::int64_t most_id = 0xfffffffe;
  if (const auto uid = in.integer("uid", 0, most_id)) device.uid = static_cast<std::uint32_t>(*uid);
  if (const auto gid = in.integer("gid", 0, most_id)) device.gid = static_cast<std::uint32_t>(*gid);
  return device;
}

std::vector<std::string> read_capabilities(ObjectReader& in, const char* key) {
  std::vector<std::string> names = in.strings(key, 64, 64).value_or(std::vector<std::string>{});
  std::set<std::string> canonical;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::string name = names[i];
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    if (name.starts_with("CAP_")) name = name.substr(4);
    if (name != "ALL" && capability_number(name) < 0) in.fail_in(key, std::to_string(i), "unknown", "there is no capability " + names[i]);
    else canonical.insert(name);
  }
  return {canonical.begin(), canonical.end()};
}

std::string octal_text(std::uint32_t mode) {
  std::string text = "0000";
  for (int i = 3; i > 0; --i, mode >>= 3) text[static_cast<std::size_t>(i)] = static_cast<char>('0' + (mode & 7U));
  return text;
}

}  // namespace

const std::vector<std::string>& capability_names() {
  // In the order of linux/capability.h: the index is the number.
  static const std::vector<std::string> names{
      "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
      "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
      "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
      "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
      "PERFMON", "BPF", "CHECKPOINT_RESTORE"};
  return names;
}

int capability_number(const std::string& name) noexcept {
  const auto& names = capability_names();
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

const char* propagation_text(MountSpec::Propagation propagation) noexcept {
  switch (propagation) {
    case MountSpec::Propagation::isolated: return "private";
    case MountSpec::Propagation::slave: return "slave";
    case MountSpec::Propagation::shared: return "shared";
  }
  return "private";
}

std::vector<MountSpec> read_mounts(ObjectReader& in) {
  std::vector<MountSpec> mounts;
  std::set<std::string> targets;
  in.objects("mounts", most_mounts, [&](ObjectReader& one, std::size_t) {
    mounts.push_back(read_mount(one));
    if (!targets.insert(mounts.back().target).second) one.fail("target", "duplicate", mounts.back().target + " is there twice");
  });
  return mounts;
}

std::vector<DeviceSpec> read_devices(ObjectReader& in) {
  std::vector<DeviceSpec> devices;
  std::set<std::string> paths;
  in.objects("devices", most_devices, [&](ObjectReader& one, std::size_t) {
    devices.push_back(read_device(one));
    if (!paths.insert(devices.back().path).second) one.fail("path", "duplicate", devices.back().path + " is there twice");
  });
  return devices;
}

SecuritySpec read_security(ObjectReader& in) {
  SecuritySpec security;
  in.object("security", [&](ObjectReader& one) {
    security.privileged = one.boolean("privileged").value_or(false);
    one.object("capabilities", [&](ObjectReader& capabilities) {
      security.add = read_capabilities(capabilities, "add");
      security.drop = read_capabilities(capabilities, "drop");
    });
    security.seccomp = one.choice("seccomp", {"default", "unconfined"}).value_or(0) == 0;
    security.no_new_privileges = one.boolean("no_new_privileges").value_or(false);
  });
  return security;
}

RestartSpec read_restart(ObjectReader& in) {
  RestartSpec restart;
  in.object("restart", [&](ObjectReader& one) {
    restart.policy = static_cast<RestartSpec::Policy>(one.choice("policy", {"no", "on-failure", "always"}).value_or(0));
    restart.max_retries = static_cast<int>(one.integer("max_retries", 0, 1000).value_or(0));
  });
  return restart;
}

Json write_mounts(const std::vector<MountSpec>& mounts) {
  constexpr const char* types[] = {"bind", "tmpfs", "volume"};
  Json list = Json::array();
  for (const MountSpec& mount : mounts)
    list.push_back({{"type", types[static_cast<int>(mount.type)]},
                    {"source", mount.source.empty() ? Json() : Json(mount.source)},
                    {"target", mount.target},
                    {"read_only", mount.read_only},
                    {"recursive", mount.recursive},
                    {"propagation", propagation_text(mount.propagation)},
                    {"size", mount.size}});
  return list;
}

Json write_devices(const std::vector<DeviceSpec>& devices) {
  const auto or_null = [](const std::optional<std::uint32_t>& value) { return value ? Json(*value) : Json(); };
  Json list = Json::array();
  for (const DeviceSpec& device : devices)
    list.push_back({{"path", device.path}, {"source", device.source}, {"access", device.access},
                    {"mode", device.mode ? Json(octal_text(*device.mode)) : Json()},
                    {"uid", or_null(device.uid)}, {"gid", or_null(device.gid)}});
  return list;
}

Json write_security(const SecuritySpec& security) {
  return {{"privileged", security.privileged},
          {"capabilities", {{"add", security.add}, {"drop", security.drop}}},
          {"seccomp", security.seccomp ? "default" : "unconfined"},
          {"no_new_privileges", security.no_new_privileges}};
}

Json write_restart(const RestartSpec& restart) {
  constexpr const char* policies[] = {"no", "on-failure", "always"};
  return {{"policy", policies[static_cast<int>(restart.policy)]}, {"max_retries", restart.max_retries}};
}

}  // namespace sovirt
