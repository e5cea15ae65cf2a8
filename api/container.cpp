#include "api/container.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "api/names.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr std::size_t longest_path = 4095;

bool letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool digit(char c) noexcept { return c >= '0' && c <= '9'; }

// RFC 1123: labels of letters, digits and inner hyphens, dots between; HOST_NAME_MAX allows 64, RFC 1035 63 a label.
bool valid_hostname(std::string_view text) noexcept {
  if (text.empty() || text.size() > 63) return false;
  char before = '.';
  for (const char c : text) {
    const bool plain = letter(c) || digit(c);
    if (!plain && c != '-' && c != '.') return false;
    if ((c == '-' || c == '.') && before == '.') return false;
    if (c == '.' && before == '-') return false;
    before = c;
  }
  return before != '-' && before != '.';
}

std::optional<std::uint32_t> read_id(std::string_view text) noexcept {
  if (text.empty() || text.size() > 10 || !std::all_of(text.begin(), text.end(), digit)) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) value = value * 10 + static_cast<std::uint64_t>(c - '0');
  return value < 0xffffffff ? std::optional{static_cast<std::uint32_t>(value)} : std::nullopt;  // -1 means "unchanged"
}

std::optional<UserSpec> read_user(ObjectReader& in) {
  const auto text = in.string("user", 64);
  if (!text) return std::nullopt;
  const auto colon = text->find(':');
  const auto uid = read_id(std::string_view{*text}.substr(0, colon));
  const auto gid = colon == std::string::npos ? uid : read_id(std::string_view{*text}.substr(colon + 1));
  if (uid && gid) return UserSpec{*uid, *gid};
  in.fail("user", "format", "must be UID:GID or UID, numbers such as 1000:1000");
  return std::nullopt;
}

std::optional<std::vector<std::string>> read_command(ObjectReader& in) {
  auto command = in.strings("command");
  if (!command) return std::nullopt;
  if (command->empty()) in.fail("command", "range", "must have at least one element, the program");
  else if (command->front().empty()) in.fail("command", "format", "its first element, the program, cannot be empty");
  return command;
}

std::map<std::string, std::string> read_env(ObjectReader& in) {
  auto env = in.string_map("env").value_or(std::map<std::string, std::string>{});
  for (const auto& [key, value] : env)
    if (key.empty() || key.find('=') != key.npos || key.find('\0') != key.npos)
      in.fail_in("env", key, "format", "the name of a variable cannot be empty or hold '=' or NUL: \"" + key.substr(0, 80) + "\"");
  return env;
}

std::optional<std::string> read_cwd(ObjectReader& in) {
  auto cwd = in.string("cwd", longest_path);
  if (cwd && !cwd->starts_with('/')) in.fail("cwd", "format", "must be an absolute path");
  return cwd;
}

// A container is frozen by its state, and its group lies where sovirt puts it.
LimitsSpec read_container_limits(ObjectReader& in) {
  LimitsSpec limits;
  in.object("limits", [&](ObjectReader& all) {
    limits = read_limits(all);
    if (all.boolean("frozen").value_or(false)) all.fail("frozen", "conflict", "a container is frozen by its state: PUT …/state {\"desired\":\"frozen\"}");
  });
  return limits;
}

void read_parts(ObjectReader& in, ContainerSpec& spec) {
  spec.mounts = read_mounts(in);
  spec.devices = read_devices(in);
  spec.security = read_security(in);
  spec.restart = read_restart(in);
}

void read_boot(ObjectReader& in, ContainerSpec& spec) {
  constexpr Autostart values[] = {Autostart::never, Autostart::always, Autostart::last_state};
  spec.autostart = values[in.choice("autostart", {"never", "always", "last-state"}).value_or(0)];
  spec.boot_priority = static_cast<int>(in.integer("boot_priority", -1000, 1000).value_or(0));
  spec.boot_delay = std::chrono::seconds{in.integer("boot_delay", 0, 3600).value_or(0)};
  spec.stop_timeout = std::chrono::seconds{in.integer("stop_timeout", 0, 3600).value_or(10)};
}

void read_process(ObjectReader& in, ContainerSpec& spec) {
  spec.command = read_command(in);
  spec.env = read_env(in);
  spec.cwd = read_cwd(in).value_or("/");
  spec.user = read_user(in).value_or(UserSpec{});
}

void read_identity(ObjectReader& in, ContainerSpec& spec) {
  spec.image = in.string("image", 256).value_or("");
  in.require("image");
  if (in.has("image") && in.raw("image")->is_string() && !valid_name(spec.image))
    in.fail("image", "format", "\"" + spec.image + "\" cannot be the name of an image: ^[a-z][a-z0-9-]{0,62}$");
  spec.hostname = in.string("hostname", 1024);
  if (spec.hostname && !valid_hostname(*spec.hostname))
    in.fail("hostname", "format", "\"" + *spec.hostname + "\" is not a host name: at most 63 letters, digits, inner hyphens and dots (RFC 1123)");
  spec.isolation = in.choice("isolation", {"container", "chroot"}).value_or(0) == 1 ? Isolation::chroot : Isolation::container;
}

// A chroot shares the host's network and UTS namespace: what it cannot have of its own is refused, not ignored.
void check_chroot(ObjectReader& in, const ContainerSpec& spec) {
  if (spec.isolation != Isolation::chroot) return;
  if (!spec.nics.empty()) in.fail("nics", "conflict", "a chroot has the host's network interfaces, it cannot have its own");
  if (spec.hostname) in.fail("hostname", "conflict", "a chroot has the host's name, it cannot have its own");
  if (!spec.devices.empty()) in.fail("devices", "conflict", "a chroot has the host's devices");
  if (spec.security != SecuritySpec{}) in.fail("security", "conflict", "a chroot isolates files only: it has the rights of the host's root");
}

const char* autostart_text(Autostart autostart) noexcept {
  switch (autostart) {
    case Autostart::never: return "never";
    case Autostart::always: return "always";
    case Autostart::last_state: return "last-state";
  }
  return "never";
}

}  // namespace

ContainerSpec read_container_spec(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  ContainerSpec spec;
  read_identity(in, spec);
  read_process(in, spec);
  spec.nics = read_nics(in);
  spec.limits = read_container_limits(in);
  read_boot(in, spec);
  read_parts(in, spec);
  check_chroot(in, spec);
  in.finish();
  throw_if_any(std::move(errors));
  return spec;
}

Json write_container_spec(const ContainerSpec& spec) {
  return {{"image", spec.image},
          {"hostname", spec.hostname ? Json(*spec.hostname) : Json(nullptr)},
          {"isolation", spec.isolation == Isolation::chroot ? "chroot" : "container"},
          {"command", spec.command ? Json(*spec.command) : Json(nullptr)},
          {"env", spec.env},
          {"cwd", spec.cwd},
          {"user", std::to_string(spec.user.uid) + ":" + std::to_string(spec.user.gid)},
          {"nics", write_nics(spec.nics)},
          {"mounts", write_mounts(spec.mounts)},
          {"devices", write_devices(spec.devices)},
          {"limits", write_limits(spec.limits)},
          {"security", write_security(spec.security)},
          {"restart", write_restart(spec.restart)},
          {"autostart", autostart_text(spec.autostart)},
          {"boot_priority", spec.boot_priority},
          {"boot_delay", spec.boot_delay.count()},
          {"stop_timeout", spec.stop_timeout.count()}};
}

ExecRequest read_exec_request(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  ExecRequest request;
  in.require("command");
  request.command = read_command(in).value_or(std::vector<std::string>{});
  request.env = read_env(in);
  request.cwd = read_cwd(in).value_or("");
  request.user = read_user(in);
  request.input = in.string("stdin", std::size_t{1} << 20).value_or("");
  if (const Json* timeout = in.raw("timeout")) {
    // A fraction is welcome here, so this is the one number that is not read as an integer.
    const double seconds = timeout->is_number() ? timeout->get<double>() : -1;
    if (seconds >= 0 && seconds <= 86'400) request.timeout = std::chrono::milliseconds{std::llround(std::ceil(seconds * 1000))};
    else in.fail("timeout", timeout->is_number() ? "range" : "type", "must be a number of seconds from 0 (none) to 86400");
  }
  in.finish();
  throw_if_any(std::move(errors));
  return request;
}

StateRequest read_state_request(const Json& json) {
  constexpr Desired values[] = {Desired::running, Desired::stopped, Desired::frozen};
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  StateRequest request;
  in.require("desired");
  request.desired = values[in.choice("desired", {"running", "stopped", "frozen"}).value_or(0)];
  request.force = in.boolean("force").value_or(false);
  if (const auto timeout = in.integer("timeout", 0, 3600)) request.timeout = std::chrono::seconds{*timeout};
  in.finish();
  throw_if_any(std::move(errors));
  return request;
}

}  // namespace sovirt
