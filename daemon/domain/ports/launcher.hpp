#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/container.hpp"
#include "api/timestamp.hpp"
#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/cgroup_tree.hpp"

namespace sovirt {

// A process that cannot be mistaken for another: a pid is reused, its start time with it is not.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;   // field 22 of /proc/PID/stat
  bool operator==(const ProcessId&) const = default;
};

struct ExitStatus {
  std::optional<int> code;
  std::optional<int> signal;       // one of the two is set, unless the status was lost
  Time at{};
};

struct LaunchSpec {
  std::string uid;                 // of the container; names the socket and files in the run directory
  std::string name;
  std::string config_json;         // OCI runtime config.json 1.1, see oci_config.hpp
  std::string group;               // its cgroup, created already
  Isolation isolation = Isolation::container;
  std::string log_path;            // console log
  std::uint64_t log_bytes = 1 << 20;  // kept at most twice this: FILE and FILE.1
  LimitsSpec limits;               // set on the group by begin(), before anything runs in it
  std::optional<std::vector<DeviceRule>> devices{};  // the same; nullopt: the usual ones of a container, all of a chroot
};

struct Launched {
  ProcessId init;                  // on the host; of a chroot without a command: the holder of its mounts
  ProcessId monitor;
};

// A launch in two halves, so that the network is made while the child sets up its mounts.
// Destroyed before go() has returned: the child is killed and reaped, nothing is left.
class Launch {
 public:
  virtual ~Launch() = default;
  // netns: -1 for a chroot. Returns when the command's execve has succeeded. Throws Error{conflict} with the
  // failed stage, errno and file where it has not.
  virtual Launched go(int netns) = 0;
};

struct ExecResult {
  ExitStatus exit;
  std::string output, error_output;  // at most `limit` bytes each
  bool truncated = false;
  bool timed_out = false;
};

// What is known of a container from its monitor or, once that is gone, from what it left behind.
struct MonitorReport {
  bool running = false;
  Launched processes;
  std::optional<ExitStatus> exit;    // when not running
};

// Groups of the tree that are the launcher's own; it looks after them itself.
inline bool is_launcher_group(std::string_view group) noexcept { return group == "monitors" || group.substr(0, 6) == "spare."; }

struct ContainerProcess {
  ProcessId id;                    // on the host
  pid_t parent = 0;                // on the host
  std::optional<pid_t> inside;     // its pid in its own pid namespace, where that is not the host's
  std::string name;                // comm
  std::vector<std::string> command;  // empty: a kernel thread, or one that has ended
  char state = '?';                // as in proc(5)
  uid_t uid = 0;                   // effective
  std::uint64_t cpu_ns = 0, memory_bytes = 0;
};

class Terminals;

// Containers as processes. Thread-safe. Monitors outlive the daemon.
class Launcher {
 public:
  virtual ~Launcher() = default;

  // rootfs: a detached mount (mount/rootfs.hpp) that becomes the container's root.
  virtual std::unique_ptr<Launch> begin(const LaunchSpec&, unique_fd rootfs) = 0;
  virtual std::optional<MonitorReport> report(std::string_view uid) = 0;  // nullopt: never launched in this boot, or forgotten
  virtual void forget(std::string_view uid) = 0;          // removes socket and files of a container that has exited
  virtual std::vector<std::string> known() = 0;           // uids with anything in the run directory: for orphans
  // To its init; Error{conflict} if it is not running. False: sent in vain, since the init of a PID namespace that
  // neither handles nor blocks a signal never gets it (pid_namespaces(7)).
  virtual bool signal(std::string_view uid, int signal) = 0;
  // Blocks until it ends or the time is over (then everything it started is killed).
  virtual ExecResult exec(std::string_view uid, const ExecRequest&, std::size_t limit) = 0;
  // Called from a thread of its own, once for each container that ends, adopted ones included.
  using ExitListener = std::function<void(std::string_view uid, const ExitStatus&)>;
  virtual void on_exit(ExitListener) = 0;
  virtual void watch(std::string_view uid) = 0;           // (again) listen for the end of a running one; used to adopt
  // The bytes of the console log from `since` on, at most `most`; `end` is the offset after them. Survives rotation:
  // an offset older than what is kept begins at the oldest byte.
  struct Log { std::string bytes; std::uint64_t end = 0; };
  virtual Log console_log(const std::string& log_path, std::uint64_t since, std::size_t most) = 0;
  // Where in it begins what was written since then, to within a second (more where a log has grown very slowly). A log
  // that says nothing of that: 0.
  virtual std::uint64_t log_offset(const std::string& log_path, Time since) = 0;
  virtual Terminals& terminals() = 0;
  // What these are now; those that have ended meanwhile are left out.
  virtual std::vector<ContainerProcess> describe(const std::vector<pid_t>&) = 0;
};

}  // namespace sovirt
