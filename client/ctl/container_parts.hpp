#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/json.hpp"

namespace sovirt::ctl {

class Command;

// Options of `container create` and `container set` beside processes and network.
struct PartOptions {
  std::vector<std::string> mounts, devices, cap_add, cap_drop;
  std::optional<std::string> restart, seccomp, privileged, no_new_privileges;
  bool no_mounts = false, no_devices = false;
};

void add_part_options(Command&, PartOptions&);
void put_parts(const PartOptions&, Json& body);   // only what was named

// "source=/srv,target=/mnt,read-only" -> an element of `mounts`
Json mount_of(const std::string& text);

void make_container_mount(Command&);
void make_container_unmount(Command&);

}  // namespace sovirt::ctl
