#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/limits.hpp"
#include "daemon/base/unique_fd.hpp"

namespace sovirt {

struct CgroupController {
  std::string name;       // "cpu", "memory", "name=systemd"
  int version = 0;        // 1 or 2
  std::string path;       // where the hierarchy is mounted, "/sys/fs/cgroup/cpu"
  bool used = false;      // by sovirt
};

// What a group may do with device nodes. type: 'c' or 'b'; nullopt: any number; access of r, w and m.
struct DeviceRule {
  char type = 'c';
  std::optional<std::uint32_t> major, minor;
  std::string access;
  bool asked = false;     // by a spec: an error where the host itself may not; otherwise it is left out there
  bool operator==(const DeviceRule&) const = default;
};

struct CgroupUsage {      // nullopt: this host does not account it
  std::optional<std::uint64_t> cpu_ns;
  std::optional<std::uint64_t> memory_bytes, memory_max_bytes;
  std::optional<std::uint64_t> pids;
};

struct KilledProcess {
  pid_t pid = 0;
  std::string name;       // as ps shows it
  bool operator==(const KilledProcess&) const = default;
};

// What it took to bring limits into force.
struct LimitsOutcome {
  std::uint64_t freed = 0;             // bytes that were used beyond memory.max
  std::vector<KilledProcess> killed;   // by memory.on_excess
};

// Where a process must be put to be in a group: descriptors for the launcher.
struct CgroupPlacement {
  unique_fd directory_v2;           // O_PATH|O_DIRECTORY, for CLONE_INTO_CGROUP; empty without v2
  std::vector<unique_fd> procs_v1;  // cgroup.procs of each v1 hierarchy, open for writing
};

// The groups of this daemon: one flat directory of named groups, the same in every hierarchy in use
// (v1, v2 and hybrid). Its parent is what systemd delegated, or a subtree of its own. Thread-safe.
// Group names are chosen by the caller ([a-z0-9.-]+, at most 80 bytes); "a/b" is the group b in the group a, which must
// be there. Throws Error.
class CgroupTree {
 public:
  virtual ~CgroupTree() = default;

  virtual std::vector<CgroupController> controllers() = 0;
  virtual void create(std::string_view group) = 0;                    // exists: fine
  virtual void rename(std::string_view from, std::string_view to) = 0; // v1 renames; on pure v2 Error{unsupported}
  // Needs no process in it; directories made below it by its processes are removed too. false: was absent.
  virtual bool remove(std::string_view group) = 0;
  virtual std::vector<std::string> groups() = 0;                      // all there are of this daemon, without those in them
  virtual CgroupPlacement placement(std::string_view group) = 0;
  virtual std::vector<pid_t> processes(std::string_view group) = 0;   // in it and below, once each
  virtual void set_frozen(std::string_view group, bool frozen) = 0;   // returns when it is so, or Error{timed_out} after 5 s
  virtual void kill(std::string_view group) = 0;                      // SIGKILL to all, until none is left; at most 10 s
  virtual CgroupUsage usage(std::string_view group) = 0;
  // A limit this host lacks: Error{unsupported}; memory that is used and cannot be reclaimed: Error{conflict}, unless asked to kill.
  virtual LimitsOutcome set_limits(std::string_view group, const LimitsSpec&) = 0;
  // These and no others; none: all that the host may. A host without any way to do it: nothing is done, unless a rule
  // is asked for (Error{unsupported}).
  virtual void set_devices(std::string_view group, const std::vector<DeviceRule>&) = 0;
  virtual std::string path(std::string_view group) = 0;               // below the mount, "/sovirt-ab12cd34/web.x"; for status
  // Can a process be placed by clone3 alone (pure v2), or must it be written to cgroup.procs (any v1)?
  virtual bool needs_attach() = 0;
};

}  // namespace sovirt
