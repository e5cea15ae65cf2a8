#include "daemon/kernel/process/process_launcher.hpp"

#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "daemon/base/error.hpp"
#include "daemon/kernel/process/console_log.hpp"
#include "daemon/kernel/process/container_launch.hpp"
#include "daemon/kernel/process/exec_session.hpp"
#include "daemon/kernel/process/monitor_client.hpp"
#include "daemon/kernel/process/process_table.hpp"
#include "daemon/kernel/process/terminals.hpp"
#include "daemon/launcher/process_file.hpp"

namespace sovirt {
namespace {

using namespace process;

class ProcessLauncher final : public Launcher {
 public:
  explicit ProcessLauncher(LauncherOptions options)
      : options_(std::move(options)), run_(options_.directory, options_.boot_id), watcher_(run_) {
    if (options_.spare) spares_ = std::make_unique<SparePool>(options_.program, options_.cgroups, options_.usual_devices);
  }
  ~ProcessLauncher() override;

  std::unique_ptr<Launch> begin(const LaunchSpec&, unique_fd rootfs) override;
  std::optional<MonitorReport> report(std::string_view uid) override;
  void forget(std::string_view uid) override;
  std::vector<std::string> known() override { return run_.list(); }
  bool signal(std::string_view uid, int signal) override;
  ExecResult exec(std::string_view uid, const ExecRequest&, std::size_t limit) override;
  void on_exit(ExitListener listener) override { watcher_.set_listener(std::move(listener)); }
  void watch(std::string_view uid) override { watcher_.watch(uid); }
  Log console_log(const std::string& log_path, std::uint64_t since, std::size_t most) override {
    return read_console_log(log_path, since, most);
  }
  std::uint64_t log_offset(const std::string& log_path, Time since) override { return find_log_offset(log_path, since); }
  Terminals& terminals() override { return terminals_; }
  std::vector<ContainerProcess> describe(const std::vector<pid_t>& pids) override { return describe_processes(pids); }

 private:
  struct Placed { MonitorProcess monitor; unique_fd group_v2; bool usual_devices = false; };
  Placed place(const std::string& group);
  bool give_name(const Spare&, const std::string& group);
  void send_launch(int control, const LaunchSpec&, int rootfs, int group_v2);

  LauncherOptions options_;
  RunDirectory run_;
  ExitWatcher watcher_;
  ProcessTerminals terminals_{run_};
  std::unique_ptr<SparePool> spares_;
};

ProcessLauncher::~ProcessLauncher() {
  spares_.reset();
  try {
    const auto groups = options_.cgroups.groups();
    const bool there = std::find(groups.begin(), groups.end(), monitors_group) != groups.end();
    if (there && options_.cgroups.processes(monitors_group).empty()) options_.cgroups.remove(monitors_group);
  } catch (const Error&) {
    // Another's launch may have come in between: the group is used again.
  }
}

std::unique_ptr<Launch> ProcessLauncher::begin(const LaunchSpec& spec, unique_fd rootfs) {
  const auto processes = run_.processes(spec.uid);
  if (processes && launch::open_process(processes->init.pid, processes->init.start_ticks))
    throw Error{Code::conflict, spec.name + " is running already"};
  Placed placed = place(spec.group);
  // From here on its end undoes what was begun, whatever is thrown.
  const ContainerLaunch::Parts parts{run_, watcher_, options_.cgroups, spares_.get()};
  auto launch = std::make_unique<ContainerLaunch>(std::move(placed.monitor), spec.uid, spec.name, spec.group, parts);
  if (!spec.limits.empty()) options_.cgroups.set_limits(spec.group, spec.limits);
  // A spare's group has the usual ones already.
  const std::vector<DeviceRule> devices = spec.devices                               ? *spec.devices
                                          : spec.isolation == Isolation::container ? options_.usual_devices
                                                                                   : std::vector<DeviceRule>{};
  if (devices != (placed.usual_devices ? options_.usual_devices : std::vector<DeviceRule>{})) options_.cgroups.set_devices(spec.group, devices);
  send_launch(launch->control(), spec, rootfs.get(), placed.group_v2.get());
  return launch;
}

ProcessLauncher::Placed ProcessLauncher::place(const std::string& group) {
  CgroupTree& cgroups = options_.cgroups;
  auto spare = spares_ ? spares_->take() : std::nullopt;
  if (!spare || spare->group.empty() || !give_name(*spare, group)) {
    if (spare && !spare->group.empty()) spare.reset();  // its agent sits in a group that has another name now, or none
    // Never one of an earlier run: what is cloned into a v2 group that was once killed by cgroup.kill is killed too.
    cgroups.remove(group);
    cgroups.create(group);
  }
  CgroupPlacement placement = cgroups.placement(group);
  if (spare) return {std::move(spare->monitor), std::move(placement.directory_v2), !spare->group.empty() && !options_.usual_devices.empty()};
  MonitorProcess monitor{options_.program, cgroups, placement, false};
  return {std::move(monitor), std::move(placement.directory_v2), false};
}

// The caller may have made the group already; nothing is in it yet, so the spare's can take its place.
// False: somebody took the spare's group away, and the launch does without.
bool ProcessLauncher::give_name(const Spare& spare, const std::string& group) {
  CgroupTree& cgroups = options_.cgroups;
  try {
    cgroups.rename(spare.group, group);
  } catch (const Error& error) {
    if (error.code() == Code::not_found) return false;
    if (error.code() != Code::exists) throw;
    cgroups.remove(group);
    cgroups.rename(spare.group, group);
  }
  return true;
}

void ProcessLauncher::send_launch(int control, const LaunchSpec& spec, int rootfs, int group_v2) {
  const RunDirectory::Prepared prepared = run_.prepare(spec.uid, spec.config_json);
  launch::Launch message{};
  message.log_bytes = spec.log_bytes;
  message.chroot = spec.isolation == Isolation::chroot;
  message.has_v2 = group_v2 >= 0;
  const std::string folder = run_.path(spec.uid);
  if (folder.size() >= sizeof message.run_directory || spec.log_path.size() >= sizeof message.log_path)
    throw Error{Code::invalid, "the path of the run or state directory is too long"};
  launch::copy_text(message.boot_id, options_.boot_id);
  launch::copy_text(message.run_directory, folder);
  launch::copy_text(message.log_path, spec.log_path);
  const int fds[] = {prepared.config.get(), rootfs, prepared.folder.get(), group_v2};
  const std::span<const int> given{fds, group_v2 >= 0 ? 4u : 3u};
  // A monitor that is gone already is noticed by go().
  launch::send_message(control, launch::Type::launch, message, given);
}

std::optional<MonitorReport> ProcessLauncher::report(std::string_view uid) {
  if (const auto processes = ask_status(run_, uid)) return MonitorReport{true, *processes, std::nullopt};
  const auto processes = run_.processes(uid);
  if (const auto exit = run_.exit(uid)) return MonitorReport{false, processes.value_or(Launched{}), exit};
  if (!processes) return std::nullopt;
  if (launch::open_process(processes->init.pid, processes->init.start_ticks)) return MonitorReport{true, *processes, std::nullopt};
  // Its monitor was killed and then it ended: nobody knows how.
  const Time now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return MonitorReport{false, *processes, ExitStatus{std::nullopt, std::nullopt, now}};
}

void ProcessLauncher::forget(std::string_view uid) {
  const auto processes = run_.processes(uid);
  if (processes && launch::open_process(processes->init.pid, processes->init.start_ticks))
    throw Error{Code::conflict, "a container that runs cannot be forgotten"};
  watcher_.forget(uid);
  run_.remove(uid);
}

bool ProcessLauncher::signal(std::string_view uid, int signal) {
  const auto processes = run_.processes(uid);
  const unique_fd init = processes ? launch::open_process(processes->init.pid, processes->init.start_ticks) : unique_fd{};
  if (!init) throw Error{Code::conflict, "the container is not running"};
  if (::syscall(SYS_pidfd_send_signal, init.get(), signal, nullptr, 0) == 0)
    return launch::takes_signal(processes->init.pid, signal);
  if (errno == EINVAL) throw Error{Code::invalid, "there is no signal " + std::to_string(signal)};
  if (errno == ESRCH) throw Error{Code::conflict, "the container is not running"};
  throw errno_error("pidfd_send_signal");
}

ExecResult ProcessLauncher::exec(std::string_view uid, const ExecRequest& request, std::size_t limit) {
  if (request.command.empty()) throw Error{Code::invalid, "there is nothing to execute"};
  return run_exec(need_monitor(run_, uid), exec_process(run_, uid, request).dump(), request, limit);
}

}  // namespace

std::unique_ptr<Launcher> make_launcher(LauncherOptions options) {
  return std::make_unique<ProcessLauncher>(std::move(options));
}

}  // namespace sovirt
