#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/json.hpp"
#include "client/ctl/command.hpp"
#include "client/ctl/container_parts.hpp"
#include "client/ctl/limit_options.hpp"

namespace sovirt::ctl {

// The options of `container create` and `container set`, as written.
struct ContainerOptions : LimitOptions {
  std::string name;
  std::optional<std::string> image, hostname, isolation, cwd, user, autostart, boot_priority, boot_delay, stop_timeout;
  std::vector<std::string> nics, env, labels, remove_env, command;
  PartOptions parts;
  bool only_new = false, start = false, no_nics = false;
};

Json container_body(const ContainerOptions&);     // for PUT
Json container_changes(const ContainerOptions&);  // for PATCH: only what was named; "none" removes a limit

void add_container_spec_options(Command&, ContainerOptions&);

}  // namespace sovirt::ctl
