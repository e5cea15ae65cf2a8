#pragma once
#include <functional>
#include <string>
#include <vector>

#include "api/limits.hpp"
#include "daemon/domain/ports/cgroup_tree.hpp"

namespace sovirt {

// One control file to be written.
struct LimitWrite {
  enum class Part {
    asked,     // in the spec: the host must have it
    unasked,   // the kernel's own default, which lifts a limit set before and is not missed where there is no such file
    passing,   // on the way to another value of the same pair of files; says nothing about the end
  };
  std::string controller;  // "memory"
  std::string file;        // "memory.limit_in_bytes"; "a|b": the first of these that is there
  std::string value;       // "": what the group above has
  Part part = Part::unasked;
  std::string field;       // "/memory/max"
  bool operator==(const LimitWrite&) const = default;
};

// The version of the hierarchy each of the controllers is on.
struct LimitVersions {
  int cpu = 2, memory = 2, pids = 2, cpuset = 2, io = 2;
};

// In the order of writing, all but the limits of single disks. Memory first: it is the one that a kernel refuses for what
// the group does at the moment. v1 cpu.shares is the weight in the same proportion, 100 being 1024.
// Error{unsupported} for what that version cannot say.
std::vector<LimitWrite> limit_writes(const LimitsSpec&, LimitVersions);

// Those of single disks. `disk_of` makes "254:0" of a device's name; `text_of` gives what is in a file of the group
// now, since a limit on a disk that is not asked any more has to be lifted by name.
std::vector<LimitWrite> io_writes(const std::vector<IoLimit>&, int version, const std::function<std::string(const std::string&)>& disk_of,
                                  const std::function<std::string(const std::string& file)>& text_of);

std::uint64_t shares_of_weight(std::uint64_t weight) noexcept;
std::uint64_t weight_of_shares(std::uint64_t shares) noexcept;

// A group's directory in the hierarchy of a write's controller, -1 if there is none.
using LimitDirectories = std::vector<int>;

// Error{unsupported} where something asked has no file here.
void check_limit_files(const std::vector<LimitWrite>&, const LimitDirectories&);
// Writes all or nothing, and only what differs. Error{unsupported} before anything is changed.
LimitsOutcome apply_limits(const std::vector<LimitWrite>&, const LimitDirectories&, bool kill_excess = false);
// The writes whose value is not in its file.
std::vector<LimitWrite> missing_limits(const std::vector<LimitWrite>&, const LimitDirectories&);

}  // namespace sovirt
