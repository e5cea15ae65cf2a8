#pragma once
#include "api/json.hpp"

namespace sovirt {

// GET /v1/host: virtualization, kernel features, cgroups (rows V1, V2, G1-G3 of the lab).
class HostProbe {
 public:
  virtual ~HostProbe() = default;
  // Reads anew each time; a few milliseconds. `status` part of the host resource.
  virtual Json report() = 0;
};

}  // namespace sovirt
