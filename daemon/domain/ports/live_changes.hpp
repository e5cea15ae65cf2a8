#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "api/container_parts.hpp"

namespace sovirt {

// A device node as the kernel has it: of the host's that a DeviceSpec names.
struct DeviceNode {
  std::string path;          // in the container
  std::string type;          // "c" | "b"
  std::uint32_t major = 0, minor = 0;
  std::uint32_t mode = 0, uid = 0, gid = 0;
};

// Changes inside containers that run. Each can be repeated, and be made where it is so already. Thread-safe.
// Throws Error: conflict where the container has ended, runs without its monitor, or its files forbid it.
class LiveChanges {
 public:
  virtual ~LiveChanges() = default;
  // Throws Error{conflict} with the pointer below `at` if a bind's source is not there.
  virtual void check_source(const MountSpec&, const std::string& at) = 0;
  virtual void mount(std::string_view uid, const MountSpec&) = 0;      // source: a path of the host, of a volume too
  // Nothing is mounted there, or something else than this: left alone.
  virtual void unmount(std::string_view uid, const MountSpec&) = 0;
  virtual void set_hostname(std::string_view uid, const std::string& name) = 0;
  virtual DeviceNode examine(const DeviceSpec&, const std::string& at) = 0;    // Error{conflict} if it is no device
  virtual void add_device(int root, const DeviceNode&) = 0;
  virtual void remove_device(int root, const std::string& path) = 0;
  virtual std::string checkpoint_obstacle() = 0;                       // why this host cannot, "" if it can; takes a moment
};

}  // namespace sovirt
