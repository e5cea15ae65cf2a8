#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/container_parts.hpp"
#include "api/json.hpp"
#include "api/limits.hpp"
#include "api/nic.hpp"

namespace sovirt {

enum class Isolation { container, chroot };
enum class Autostart { never, always, last_state };

struct UserSpec { std::uint32_t uid = 0, gid = 0; };   // "0:0"

struct ContainerSpec {
  std::string image;
  std::optional<std::string> hostname;         // the container's name when absent; RFC 1123, at most 63 bytes
  Isolation isolation = Isolation::container;
  std::optional<std::vector<std::string>> command;  // absent: the image's init (container), nothing (chroot)
  std::map<std::string, std::string> env;
  std::string cwd = "/";
  UserSpec user;
  std::vector<NicSpec> nics;
  std::vector<MountSpec> mounts;
  std::vector<DeviceSpec> devices;
  LimitsSpec limits;
  SecuritySpec security;
  RestartSpec restart;
  Autostart autostart = Autostart::never;
  int boot_priority = 0;                       // -1000..1000, lower first
  std::chrono::seconds boot_delay{0};          // waited after its start before later priorities, 0..3600
  std::chrono::seconds stop_timeout{10};       // 0..3600
};

ContainerSpec read_container_spec(const Json&);   // throws Error{invalid} with every wrong field
Json write_container_spec(const ContainerSpec&);

// POST …/exec. stdin is text.
struct ExecRequest {
  std::vector<std::string> command;
  std::map<std::string, std::string> env;
  std::string cwd;                             // "": the container's
  std::optional<UserSpec> user;
  std::string input;
  std::chrono::milliseconds timeout{0};        // 0: none; JSON field `timeout` in seconds, may have a fraction
};
ExecRequest read_exec_request(const Json&);

// PUT …/state
enum class Desired { running, stopped, frozen };
struct StateRequest {
  Desired desired = Desired::running;
  bool force = false;
  std::optional<std::chrono::seconds> timeout;  // the container's stop_timeout when absent
};
StateRequest read_state_request(const Json&);

}  // namespace sovirt
