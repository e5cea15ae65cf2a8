#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/json.hpp"

namespace sovirt {

class ObjectReader;

// What a container's spec holds beside its processes and its network.

struct MountSpec {
  enum class Type { bind, tmpfs, volume };
  enum class Propagation { isolated, slave, shared };   // "private" in JSON
  Type type = Type::bind;
  std::string source;          // bind: an absolute path of the host; volume: its name; tmpfs: ""
  std::string target;          // absolute, in the container, at most 1000 bytes
  bool read_only = false;
  bool recursive = true;       // bind: with what is mounted below the source
  Propagation propagation = Propagation::isolated;   // of later mounts below it, see mount_namespaces(7)
  std::uint64_t size = 0;      // tmpfs: bytes it holds at most; 0: half of the memory
  bool operator==(const MountSpec&) const = default;
};

// A device node of the host that the container gets, and may use.
struct DeviceSpec {
  std::string path;            // in the container, below /dev
  std::string source;          // on the host; `path` when absent
  std::string access = "rwm";  // of r, w, m (mknod)
  std::optional<std::uint32_t> mode, uid, gid;   // nullopt: the host's
  bool operator==(const DeviceSpec&) const = default;
};

struct SecuritySpec {
  bool privileged = false;                 // every capability and device, nothing masked, no system call filtered
  std::vector<std::string> add, drop;      // capabilities, "NET_ADMIN" without CAP_; "ALL"
  bool seccomp = true;                     // "default"; false: "unconfined"
  bool no_new_privileges = false;
  bool operator==(const SecuritySpec&) const = default;
};

struct RestartSpec {
  enum class Policy { no, on_failure, always };
  Policy policy = Policy::no;
  int max_retries = 0;                     // in a row, 0..1000; 0: without limit
  bool operator==(const RestartSpec&) const = default;
};

std::vector<MountSpec> read_mounts(ObjectReader&);     // the field `mounts` of a container
std::vector<DeviceSpec> read_devices(ObjectReader&);
SecuritySpec read_security(ObjectReader&);
RestartSpec read_restart(ObjectReader&);
Json write_mounts(const std::vector<MountSpec>&);
Json write_devices(const std::vector<DeviceSpec>&);
Json write_security(const SecuritySpec&);
Json write_restart(const RestartSpec&);

const char* propagation_text(MountSpec::Propagation) noexcept;   // "private", "slave", "shared"
// Number of a capability by its name without CAP_, in capitals; -1: no such.
int capability_number(const std::string& name) noexcept;
const std::vector<std::string>& capability_names();              // all, without CAP_, by number

}  // namespace sovirt
