#pragma once
#include <string>

#include "api/container.hpp"
#include "api/json.hpp"
#include "daemon/domain/ports/live_changes.hpp"

namespace sovirt {

struct OciInput {
  std::string name, uid;
  const ContainerSpec* spec = nullptr;
  std::vector<std::string> command;      // resolved; empty: chroot that only holds its mounts
  std::string hostname;
  std::string cgroups_path;
  std::vector<MountSpec> mounts;         // those of the spec, volumes as the directories that they are
  std::vector<DeviceNode> devices;       // those of the spec, as the host has them
};

// OCI runtime specification 1.1 config.json for sovirt-launch (and any other runtime).
// Extensions, as annotations: "org.sovirt.isolation" = "container"|"chroot", "org.sovirt.console" = "pty".
// `org.sovirt.seccomp` in process.json of an exec is what `linux.seccomp` is here.
// A "network" namespace entry without a path means: the namespace that comes over the control socket.
Json oci_config(const OciInput&);

}  // namespace sovirt
