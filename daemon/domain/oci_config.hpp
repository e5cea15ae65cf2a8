#pragma once
#include <string>

#include "api/container.hpp"
#include "api/json.hpp"

namespace sovirt {

struct OciInput {
  std::string name, uid;
  const ContainerSpec* spec = nullptr;
  std::vector<std::string> command;      // resolved; empty: chroot that only holds its mounts
  std::string hostname;
  std::string cgroups_path;
};

// OCI runtime specification 1.1 config.json for sovirt-launch (and any other runtime).
// Extensions, as annotations: "org.sovirt.isolation" = "container"|"chroot", "org.sovirt.console" = "pty".
// A "network" namespace entry without a path means: the namespace that comes over the control socket.
Json oci_config(const OciInput&);

}  // namespace sovirt
