#include "daemon/kernel/process/monitor_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/base/spawn.hpp"
#include "daemon/kernel/process/process_launcher.hpp"
#include "daemon/launcher/protocol.hpp"

namespace sovirt::process {
namespace {

constexpr int end_timeout_ms = 12'000;   // it kills a group, which may take ten seconds

// Nothing of the daemon's environment, but for the failpoints of tests.
std::vector<std::string> environment() {
  std::vector<std::string> variables;
  for (const char* name : {"SOVIRT_FAILPOINT", "SOVIRT_FAILPOINT_LOG"})
    if (const char* value = std::getenv(name)) variables.push_back(std::string{name} + "=" + value);
  return variables;
}

unique_fd procs_of(int group_v2) {
  unique_fd file{::openat(group_v2, "cgroup.procs", O_WRONLY | O_CLOEXEC)};
  if (!file) throw errno_error("openat", "cgroup.procs of the monitors");
  return file;
}

}  // namespace

void reap(int pidfd) noexcept {
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) < 0 && errno == EINTR) {}
}

MonitorProcess::MonitorProcess(const std::string& program, CgroupTree& cgroups, const CgroupPlacement& group, bool is_spare) {
  launch::SocketPair pair = launch::socket_pair();
  spawn(program, pair.other.get());
  control_ = std::move(pair.one);
  try {
    prepare(cgroups, group, is_spare);
  } catch (...) {
    end();
    throw;
  }
}

void MonitorProcess::spawn(const std::string& program, int other_end) {
  const pid_t pid = sovirt::spawn({program, {"sovirt-launch", "--control=3"}, environment(), {-1, -1, -1, other_end}, "/", true});
  pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (pidfd_) return;
  const int reason = errno;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  throw errno_error(reason, "pidfd_open", program);
}

void MonitorProcess::prepare(CgroupTree& cgroups, const CgroupPlacement& group, bool is_spare) {
  cgroups.create(monitors_group);
  const CgroupPlacement shelter = cgroups.placement(monitors_group);
  const unique_fd v2 = shelter.directory_v2 ? procs_of(shelter.directory_v2.get()) : unique_fd{};
  std::vector<int> fds;
  for (const unique_fd& one : shelter.procs_v1) fds.push_back(one.get());
  if (v2) fds.push_back(v2.get());
  launch::Prepare prepare{};
  prepare.monitor_groups = static_cast<std::uint16_t>(fds.size());
  prepare.container_groups = static_cast<std::uint16_t>(group.procs_v1.size());
  prepare.needs_attach = !group.procs_v1.empty();
  prepare.spare = is_spare;
  for (const unique_fd& one : group.procs_v1) fds.push_back(one.get());
  if (!launch::send_message(control_.get(), launch::Type::prepare, prepare, fds)) throw errno_error("sendmsg", "sovirt-launch");
}

bool MonitorProcess::ended() const noexcept {
  pollfd ended{pidfd_.get(), POLLIN, 0};
  return ::poll(&ended, 1, 0) > 0;
}

void MonitorProcess::end() noexcept {
  control_.reset();
  if (!pidfd_) return;
  pollfd ended{pidfd_.get(), POLLIN, 0};
  int ready = 0;
  do ready = ::poll(&ended, 1, end_timeout_ms);
  while (ready < 0 && errno == EINTR);
  if (ready == 0) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  reap(pidfd_.get());
  pidfd_.reset();
}

}  // namespace sovirt::process
