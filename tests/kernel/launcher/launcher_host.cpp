#include "tests/kernel/launcher/launcher_host.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/domain/oci_config.hpp"
#include "daemon/kernel/cgroup/kernel_cgroup_tree.hpp"
#include "daemon/kernel/process/process_launcher.hpp"

namespace sovirt::test {
namespace {

namespace fs = std::filesystem;
constexpr const char* busybox = "/bin/busybox";
constexpr const char* applets[] = {"sh", "true", "false", "sleep", "cat", "ls", "echo", "hostname", "kill", "id", "dd",
                                   "head", "mount", "readlink", "tr", "yes", "pwd", "env", "test", "stat", "touch", "tty", "mkdir", "setsid"};

std::string unique_name() {
  static std::atomic<int> count{0};
  return "launcher-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

std::vector<CgroupHierarchy> hierarchies_of(Mode mode) {
  std::vector<CgroupHierarchy> all = find_hierarchies();
  if (mode == Mode::direct_v2 || mode == Mode::spare_v2) std::erase_if(all, [](const auto& one) { return one.version != 2; });
  return all;
}

}  // namespace

std::optional<std::string> LauncherHost::missing(Mode mode) {
  if (::geteuid() != 0) return "needs root";
  if (!fs::exists(busybox)) return "needs /bin/busybox of the package busybox-static";
  if (hierarchies_of(mode).empty()) return "cgroup v2 is not mounted";
  return std::nullopt;
}

LauncherHost::LauncherHost(Mode mode) : mode_(mode), directory_(fs::temp_directory_path() / unique_name()) {
  // Monitors whose launcher is gone are reaped here and not left to the host's init.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  fs::create_directories(directory_);
  make_root();
  cgroups_ = make_cgroup_tree({unique_name(), "/"}, hierarchies_of(mode));
  make();
}

void LauncherHost::make() {
  launcher_ = make_launcher({SOVIRT_LAUNCH_PROGRAM, directory_ / "run", "boot-1", *cgroups_, has_spare(mode_)});
  launcher_->on_exit([this](std::string_view uid, const ExitStatus& status) {
    const std::lock_guard lock(mutex_);
    exits_[std::string{uid}].push_back(status);
    ended_.notify_all();
  });
}

void LauncherHost::restart_daemon() {
  launcher_.reset();
  make();
}

void LauncherHost::make_root() {
  for (const char* folder : {"bin", "etc", "root", "tmp", "dev", "proc", "sys"}) fs::create_directories(root() / folder);
  fs::copy_file(busybox, root() / "bin/busybox");
  for (const char* applet : applets) fs::create_symlink("busybox", root() / "bin" / applet);
  std::ofstream{root() / "etc/passwd"} << "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n";
  fs::permissions(root() / "tmp", fs::perms::all);
}

LauncherHost::~LauncherHost() {
  for (const std::string& group : cgroups_->groups())
    if (group != monitors_group) cgroups_->kill(group);
  soon([this] { return cgroups_->processes(monitors_group).size() <= (has_spare(mode_) ? 2u : 0u); });
  launcher_.reset();
  for (const std::string& group : cgroups_->groups()) {
    cgroups_->kill(group);
    cgroups_->remove(group);
  }
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {}
  fs::remove_all(directory_);
}

LaunchSpec LauncherHost::launch_spec(const std::string& uid, const std::vector<std::string>& command) {
  OciInput input;
  input.name = uid;
  input.uid = uid;
  input.spec = &spec;
  input.command = command;
  input.hostname = "box-" + uid;
  input.cgroups_path = "/test/" + uid;
  input.mounts = extra_mounts;
  input.devices = extra_devices;
  return {uid, uid, oci_config(input).dump(), "c." + uid, spec.isolation, log_path(uid), log_bytes, limits};
}

unique_fd LauncherHost::rootfs() {
  unique_fd mount{::open_tree(AT_FDCWD, root().c_str(), OPEN_TREE_CLONE | O_CLOEXEC)};
  if (!mount) throw errno_error("open_tree", root());
  return mount;
}

std::unique_ptr<Launch> LauncherHost::begin(const std::string& uid, const std::vector<std::string>& command) {
  return launcher_->begin(launch_spec(uid, command), rootfs());
}

Launched LauncherHost::start(const std::string& uid, const std::vector<std::string>& command) {
  const auto launch = begin(uid, command);
  const unique_fd netns = spec.isolation == Isolation::container ? new_netns() : unique_fd{};
  return launch->go(netns.get());
}

std::optional<ExitStatus> LauncherHost::wait(const std::string& uid, int seconds) {
  std::unique_lock lock(mutex_);
  if (!ended_.wait_for(lock, std::chrono::seconds(seconds), [&] { return exits_.contains(uid); })) return std::nullopt;
  return exits_.at(uid).back();
}

int LauncherHost::ends(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  return exits_.contains(uid) ? static_cast<int>(exits_.at(uid).size()) : 0;
}

std::string LauncherHost::log(const std::string& uid) { return launcher_->console_log(log_path(uid), 0, 1 << 20).bytes; }

bool LauncherHost::log_has(const std::string& uid, const std::string& text) {
  return soon([&] { return log(uid).find(text) != std::string::npos; });
}

ExecResult LauncherHost::exec(const std::string& uid, const std::vector<std::string>& command, std::size_t limit) {
  ExecRequest request;
  request.command = command;
  return launcher_->exec(uid, request, limit);
}

unique_fd new_netns() {
  unique_fd netns;
  std::thread{[&] {
    if (::unshare(CLONE_NEWNET) == 0) netns.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }}.join();
  if (!netns) throw Error{Code::internal, "no network namespace could be made"};
  return netns;
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream{path}.rdbuf();
  return text.str();
}

std::vector<pid_t> children() {
  std::vector<pid_t> found;
  for (const auto& task : fs::directory_iterator{"/proc/self/task"}) {
    std::ifstream list{task.path() / "children"};
    for (pid_t pid = 0; list >> pid;) found.push_back(pid);
  }
  return found;
}

bool alive(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  const auto end = stat.rfind(')');
  return end != std::string::npos && stat[end + 2] != 'Z' && stat[end + 2] != 'X';
}

bool soon(const std::function<bool()>& what) {
  for (int i = 0; i < 500; ++i) {
    if (what()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return what();
}

}  // namespace sovirt::test
