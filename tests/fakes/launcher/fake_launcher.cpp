#include "tests/fakes/launcher/fake_launcher.hpp"

#include <csignal>
#include <utility>

namespace sovirt {

class FakeLaunch final : public Launch {
 public:
  FakeLaunch(FakeLauncher& launcher, LaunchSpec spec) : launcher_(launcher), spec_(std::move(spec)) {}
  Launched go(int netns) override { return launcher_.run(spec_, netns); }

 private:
  FakeLauncher& launcher_;
  LaunchSpec spec_;
};

FakeLauncher::FakeLauncher(FakeCgroupTree& groups) : groups_(groups) {
  groups_.on_kill = [this](pid_t pid) { end_pid(pid); };
}

void FakeLauncher::fail_begin(Error error) { begin_failure_ = std::move(error); }
void FakeLauncher::fail_go(Error error) { go_failure_ = std::move(error); }

std::unique_ptr<Launch> FakeLauncher::begin(const LaunchSpec& spec, unique_fd) {
  if (const auto failure = std::exchange(begin_failure_, std::nullopt)) throw *failure;
  groups_.create(spec.group);
  groups_.set_limits(spec.group, spec.limits);
  return std::make_unique<FakeLaunch>(*this, spec);
}

Launched FakeLauncher::run(const LaunchSpec& spec, int netns) {
  if (const auto failure = std::exchange(go_failure_, std::nullopt)) throw *failure;
  Container container;
  {
    const std::lock_guard lock(mutex_);
    container.group = spec.group;
    container.processes = {{next_pid_, 1}, {next_pid_ + 1, 1}};
    next_pid_ += 2;
    ++launches_;
    containers_[spec.uid] = container;
  }
  groups_.put(spec.group, container.processes.init.pid);
  if (on_run && netns >= 0) on_run(container.processes.init.pid, netns);
  return container.processes;
}

void FakeLauncher::end(std::string_view uid, ExitStatus status) {
  ExitListener listener;
  pid_t pid = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto container = containers_.find(uid);
    if (container == containers_.end() || container->second.exit) return;
    container->second.exit = status;
    pid = container->second.processes.init.pid;
    if (container->second.watched) listener = listener_;
  }
  groups_.leave(pid);
  if (on_gone) on_gone(pid);
  if (listener) listener(uid, status);
}

void FakeLauncher::end_pid(pid_t pid) {
  std::string uid;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, container] : containers_)
      if (container.processes.init.pid == pid && !container.exit) uid = key;
  }
  if (!uid.empty()) end(uid, {std::nullopt, SIGKILL, now()});
}

bool FakeLauncher::running(std::string_view uid) const {
  const std::lock_guard lock(mutex_);
  const auto container = containers_.find(uid);
  return container != containers_.end() && !container->second.exit;
}

int FakeLauncher::launches() const {
  const std::lock_guard lock(mutex_);
  return launches_;
}

std::vector<int> FakeLauncher::signals(std::string_view uid) const {
  const std::lock_guard lock(mutex_);
  const auto container = containers_.find(uid);
  return container == containers_.end() ? std::vector<int>{} : container->second.signals;
}

std::optional<MonitorReport> FakeLauncher::report(std::string_view uid) {
  const std::lock_guard lock(mutex_);
  const auto container = containers_.find(uid);
  if (container == containers_.end()) return std::nullopt;
  return MonitorReport{!container->second.exit, container->second.processes, container->second.exit};
}

void FakeLauncher::forget(std::string_view uid) {
  const std::lock_guard lock(mutex_);
  if (const auto container = containers_.find(uid); container != containers_.end()) containers_.erase(container);
}

std::vector<std::string> FakeLauncher::known() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> uids;
  for (const auto& [uid, container] : containers_) uids.push_back(uid);
  return uids;
}

bool FakeLauncher::signal(std::string_view uid, int signal) {
  {
    const std::lock_guard lock(mutex_);
    const auto container = containers_.find(uid);
    if (container == containers_.end() || container->second.exit) throw Error{Code::conflict, "it is not running"};
    container->second.signals.push_back(signal);
  }
  if (signal == SIGKILL || obeys) end(uid, {std::nullopt, signal, now()});
  return true;
}

ExecResult FakeLauncher::exec(std::string_view uid, const ExecRequest&, std::size_t) {
  if (!running(uid)) throw Error{Code::conflict, "it is not running"};
  return next_exec;
}

void FakeLauncher::on_exit(ExitListener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void FakeLauncher::watch(std::string_view uid) {
  const std::lock_guard lock(mutex_);
  if (const auto container = containers_.find(uid); container != containers_.end()) container->second.watched = true;
}

Launcher::Log FakeLauncher::console_log(const std::string&, std::uint64_t, std::size_t) { return {}; }

std::vector<ContainerProcess> FakeLauncher::describe(const std::vector<pid_t>& pids) {
  const std::lock_guard lock(mutex_);
  std::vector<ContainerProcess> all;
  for (const auto& [uid, container] : containers_)
    for (const pid_t pid : pids)
      if (!container.exit && container.processes.init.pid == pid) {
        ContainerProcess facts;
        facts.id = container.processes.init;
        facts.parent = container.processes.monitor.pid;
        facts.inside = 1;
        facts.name = "init";
        facts.command = {"/sbin/init"};
        facts.state = 'S';
        all.push_back(std::move(facts));
      }
  return all;
}

}  // namespace sovirt
