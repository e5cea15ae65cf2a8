#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/json.hpp"

namespace sovirt {

class ObjectReader;

// How much CPU time in each period. Whole microseconds, which is what the kernel's files hold.
struct CpuQuota {
  std::chrono::nanoseconds quota{0}, period{100'000'000};
  bool operator==(const CpuQuota&) const = default;
};

// Of one whole disk; bytes and operations a second. nullopt: not limited.
struct IoLimit {
  std::string device;   // "/dev/vda" or "254:0"
  std::optional<std::uint64_t> read_bytes, write_bytes, read_operations, write_operations;
  bool operator==(const IoLimit&) const = default;
};

// The kernel is asked to say when processes were held up for want of a resource (PSI): for `stall` within any `window`.
struct PressureTrigger {
  enum class Resource { cpu, memory, io } resource = Resource::memory;
  bool full = false;    // all of its processes at once, not some
  std::chrono::nanoseconds stall{0}, window{1'000'000'000};
  bool operator==(const PressureTrigger&) const = default;
};

// What a control group holds its processes to: the same document for a cgroup and for a container's `limits`, whatever
// version of cgroups the host has. nullopt: not limited. JSON: proto-docs/guides/limits.md.
struct LimitsSpec {
  std::optional<std::uint64_t> cpu_weight;             // 1..10000; 100 is usual
  std::optional<std::uint64_t> cpu_shares;             // 2..262144, the same in terms of v1 (1024 is usual); not both
  std::optional<CpuQuota> cpu_max;
  std::optional<std::string> cpuset_cpus, cpuset_mems; // "0-3,6", in its shortest form
  std::optional<std::uint64_t> memory_max;             // bytes
  std::optional<std::uint64_t> memory_high;            // bytes beyond which its processes are slowed down
  std::optional<std::uint64_t> swap_max;               // bytes of swap, beside memory
  bool kill_excess = false;                            // memory_max below what is used and cannot be reclaimed: kill, not refuse
  std::optional<std::uint64_t> pids_max;
  std::optional<std::uint64_t> io_weight;              // 1..10000
  std::vector<IoLimit> io_limits;                      // a device once
  std::vector<PressureTrigger> pressure;               // no limits: what is told of as events
  bool operator==(const LimitsSpec&) const = default;
  bool empty() const noexcept { return *this == LimitsSpec{}; }
};

// Reads the fields of limits, wherever in a document they are. The caller reads those beside them, then finish()es.
LimitsSpec read_limits(ObjectReader&);
// From the form that write_limits gives. Throws Error{invalid} with every wrong field.
LimitsSpec read_limits(const Json&);
Json write_limits(const LimitsSpec&);
Json write_trigger(const PressureTrigger&);
const char* resource_text(PressureTrigger::Resource) noexcept;

}  // namespace sovirt
