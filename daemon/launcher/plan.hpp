#pragma once
#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/launcher/cgroup_view.hpp"

// A config.json (OCI runtime specification 1.1) as plain data: read before clone3, because the cloned child may
// not allocate. Everything the child passes to the kernel is ready in it as C strings.
namespace sovirt::launch {

// A null-terminated array of C strings, as execve takes it.
class CStrings {
 public:
  CStrings() = default;
  explicit CStrings(std::vector<std::string> texts);
  CStrings(CStrings&&) noexcept = default;
  CStrings& operator=(CStrings&&) noexcept = default;
  CStrings(const CStrings&) = delete;
  CStrings& operator=(const CStrings&) = delete;
  char* const* data() const noexcept { return pointers_.data(); }
  const std::vector<std::string>& texts() const noexcept { return texts_; }
  bool empty() const noexcept { return texts_.empty(); }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_{nullptr};
};

struct ResourceLimit { int resource = 0; rlimit value{}; };

struct Capabilities {   // bit n is capability n of capabilities(7)
  bool given = false;
  std::uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
};

// `process` of config.json; alone, it is what an exec is told.
struct ProcessPlan {
  CStrings args, env;
  std::vector<std::string> candidates;   // files to execute in order: args[0], or it in each folder of PATH
  std::string cwd = "/";
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  mode_t umask = 022;
  bool terminal = false;
  bool no_new_privileges = false;
  unsigned short rows = 24, columns = 80;
  Capabilities capabilities;
  std::vector<ResourceLimit> limits;
  std::vector<sock_filter> seccomp;
};

struct MountPlan {
  std::string source, target, type, data;
  unsigned long flags = 0;               // MS_* of mount(2)
  bool bind = false, recursive = false;
  unsigned long propagation = 0;         // MS_SLAVE or MS_SHARED of a bind mount; 0: private
  bool late = false;                     // needs the network namespace, or lies below what does
};

struct DevicePlan {
  std::string path;
  mode_t kind = 0, mode = 0600;          // S_IFCHR or S_IFBLK
  dev_t number = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

struct IdMap { std::uint32_t inside = 0, outside = 0, size = 0; };

struct Plan {
  bool chroot = false;
  std::uint64_t namespaces = 0;          // CLONE_NEW*; without CLONE_NEWNET where that comes by descriptor
  bool waits_for_network = false;
  std::vector<IdMap> uid_map, gid_map;   // with CLONE_NEWUSER
  std::string hostname;
  std::vector<MountPlan> mounts;
  std::vector<DevicePlan> devices;       // beside the usual ones
  std::vector<std::string> masked, readonly;
  bool own_dev = false;                  // a tmpfs at /dev, to be filled with the default devices
  CgroupView cgroups;
  ProcessPlan process;
};

// Both throw Error{invalid} naming what is wrong.
Plan read_plan(std::string_view config_json, const CgroupView&);
ProcessPlan read_process(std::string_view process_json);

}  // namespace sovirt::launch
