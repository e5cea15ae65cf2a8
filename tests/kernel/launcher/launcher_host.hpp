#pragma once
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/domain/ports/cgroup_tree.hpp"
#include "daemon/domain/ports/launcher.hpp"
#include "daemon/domain/ports/live_changes.hpp"

namespace sovirt::test {

// How a launch is made: from nothing or from a spare; with an agent that is attached to the groups, as this host needs
// it, or as if there were cgroup v2 alone.
enum class Mode { direct, spare, direct_v2, spare_v2 };
inline bool has_spare(Mode mode) { return mode == Mode::spare || mode == Mode::spare_v2; }

// A launcher over a directory and a cgroup subtree of its own, and root file systems of busybox.
class LauncherHost {
 public:
  explicit LauncherHost(Mode);
  ~LauncherHost();
  LauncherHost(const LauncherHost&) = delete;
  LauncherHost& operator=(const LauncherHost&) = delete;

  static std::optional<std::string> missing(Mode);  // why nothing of this can run here

  Launcher& launcher() { return *launcher_; }
  CgroupTree& cgroups() { return *cgroups_; }
  const std::filesystem::path& directory() const { return directory_; }
  void restart_daemon();                            // as far as the launcher can tell

  ContainerSpec spec;                               // of what is launched next
  LimitsSpec limits;
  std::vector<MountSpec> extra_mounts;
  std::vector<DeviceNode> extra_devices;
  std::uint64_t log_bytes = 1 << 20;
  LaunchSpec launch_spec(const std::string& uid, const std::vector<std::string>& command);
  std::unique_ptr<Launch> begin(const std::string& uid, const std::vector<std::string>& command);
  Launched start(const std::string& uid, const std::vector<std::string>& command);
  Launched sh(const std::string& uid, const std::string& script) { return start(uid, {"/bin/sh", "-c", script}); }
  std::optional<ExitStatus> wait(const std::string& uid, int seconds = 10);
  int ends(const std::string& uid);                 // how often its end was told
  std::string log(const std::string& uid);
  bool log_has(const std::string& uid, const std::string& text);   // within five seconds
  ExecResult exec(const std::string& uid, const std::vector<std::string>& command, std::size_t limit = 1 << 20);
  unique_fd rootfs();
  std::filesystem::path root() const { return directory_ / "root"; }
  std::string log_path(const std::string& uid) const { return directory_ / (uid + ".log"); }

 private:
  void make_root();
  void make();

  Mode mode_;
  std::filesystem::path directory_;
  std::unique_ptr<CgroupTree> cgroups_;
  std::unique_ptr<Launcher> launcher_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::map<std::string, std::vector<ExitStatus>> exits_;
};

unique_fd new_netns();
std::string read_file(const std::string& path);
std::vector<pid_t> children();                      // of this process, zombies included
bool alive(pid_t pid);
bool soon(const std::function<bool()>& what);       // within five seconds

}  // namespace sovirt::test
