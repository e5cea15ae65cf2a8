#pragma once
#include <string>
#include <vector>

#include "api/container.hpp"

namespace sovirt {

// One control file to be written. `asked`: false for the kernel's own default, which lifts a limit set before and
// is not missed where the controller is absent.
struct LimitWrite {
  std::string controller;  // "memory"
  std::string file;        // "memory.limit_in_bytes"
  std::string value;
  bool asked = false;
  bool operator==(const LimitWrite&) const = default;
};

// The version of the hierarchy each of the controllers is on.
struct LimitVersions {
  int cpu = 2, memory = 2, pids = 2;
};

// In the order of writing. Memory first: it is the one that a kernel refuses for what the group does at the moment.
// v1 cpu.shares is the weight in the same proportion, 100 being 1024.
std::vector<LimitWrite> limit_writes(const LimitsSpec&, LimitVersions);

// Writes all or nothing. `directory_of(write)` gives the group's directory in the hierarchy of its controller, -1 if
// there is none. A controller or file this host lacks: Error{unsupported} before anything is changed.
void apply_limits(const std::vector<LimitWrite>&, const std::vector<int>& directories);

}  // namespace sovirt
