#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/launcher.hpp"
#include "tests/fakes/cgroup/fake_cgroup_tree.hpp"
#include "tests/fakes/launcher/fake_terminals.hpp"

namespace sovirt {

// Containers as rows of a table: a started one has a pid in its group and lives until a test ends it, its group is
// killed, or it takes a signal (SIGKILL always, others when `obeys` is set). It outlives the daemon's objects made
// on it, as monitors do. Exit listeners are called from the thread that ended it. Thread-safe.
class FakeLauncher final : public Launcher {
 public:
  explicit FakeLauncher(FakeCgroupTree& groups);

  // For tests.
  void fail_begin(Error);                        // the next begin
  void fail_go(Error);                           // the next go
  void end(std::string_view uid, ExitStatus);    // as if its init had ended by itself
  bool running(std::string_view uid) const;
  int launches() const;
  std::vector<int> signals(std::string_view uid) const;
  bool obeys = true;                             // a signal that asks to end is obeyed at once
  ExecResult next_exec;
  std::function<void(pid_t, int netns)> on_run;  // the process holds the namespace from here on
  std::function<void(pid_t)> on_gone;

  std::unique_ptr<Launch> begin(const LaunchSpec&, unique_fd rootfs) override;
  std::optional<MonitorReport> report(std::string_view uid) override;
  void forget(std::string_view uid) override;
  std::vector<std::string> known() override;
  bool signal(std::string_view uid, int signal) override;
  ExecResult exec(std::string_view uid, const ExecRequest&, std::size_t limit) override;
  void on_exit(ExitListener) override;
  void watch(std::string_view uid) override;
  Log console_log(const std::string& log_path, std::uint64_t since, std::size_t most) override;
  std::uint64_t log_offset(const std::string&, Time) override { return 0; }
  FakeTerminals& terminals() override { return terminals_; }
  std::vector<ContainerProcess> describe(const std::vector<pid_t>&) override;   // the inits among them

 private:
  friend class FakeLaunch;
  struct Container {
    std::string group;
    Launched processes;
    std::optional<ExitStatus> exit;
    bool watched = true;
    std::vector<int> signals;
  };
  Launched run(const LaunchSpec&, int netns);
  void end_pid(pid_t);

  FakeCgroupTree& groups_;
  FakeTerminals terminals_;
  mutable std::mutex mutex_;
  std::map<std::string, Container, std::less<>> containers_;
  std::optional<Error> begin_failure_, go_failure_;
  ExitListener listener_;
  pid_t next_pid_ = 2'000'000'000;               // above any pid_max: /proc has none of them
  int launches_ = 0;
};

}  // namespace sovirt
