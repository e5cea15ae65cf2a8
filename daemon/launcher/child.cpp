#include "daemon/launcher/child.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

#include "daemon/launcher/child_devices.hpp"
#include "daemon/launcher/child_process.hpp"
#include "daemon/launcher/child_report.hpp"
#include "daemon/launcher/child_root.hpp"

namespace sovirt::launch::child {
namespace {

// Copies of the monitor's other descriptors would keep its sockets open after it has died.
void close_all_but(std::initializer_list<int> kept) noexcept {
  unsigned from = 3;
  for (;;) {
    int next = -1;
    for (const int fd : kept)
      if (fd >= static_cast<int>(from) && (next < 0 || fd < next)) next = fd;
    if (next < 0) break;
    if (static_cast<unsigned>(next) > from) ::syscall(SYS_close_range, from, static_cast<unsigned>(next) - 1, 0u);
    from = static_cast<unsigned>(next) + 1;
  }
  ::syscall(SYS_close_range, from, ~0u, 0u);
}

void await_id_maps(const Reporter& report, int mapped) noexcept {
  char byte = 0;
  report.must(::read(mapped, &byte, 1) == 1, "user namespace", "id maps");
  report.must(::setresgid(0, 0, 0) == 0 && ::setresuid(0, 0, 0) == 0, "user namespace", "become its root");
}

int open_stdio(const Reporter& report, const Plan& plan) noexcept {
  if (plan.process.terminal) return make_console(report, plan.process, plan.own_dev);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  report.must(null >= 0, "open", "/dev/null");
  return null;
}

}  // namespace

void run_init(const InitInput& input) noexcept {
  close_all_but({input.channel, input.rootfs, input.mapped});
  Reporter report{input.channel};
  const Plan& plan = input.plan;
  if (input.mapped >= 0) await_id_maps(report, input.mapped);
  ::umask(022);
  // Only now is it in its cgroups, whichever way it got there: this namespace is rooted in where it is.
  if (plan.namespaces & CLONE_NEWCGROUP) report.must(::unshare(CLONE_NEWCGROUP) == 0, "unshare", "cgroup namespace");
  const Root root{plan, report};
  root.open_shared_sources();
  root.enter(input.rootfs);
  root.mount_early();
  if (plan.own_dev) make_devices(report, root, plan.devices);
  root.protect(false);
  const bool runs = !plan.process.args.empty();
  const int terminal = runs ? open_stdio(report, plan) : -1;
  if (!plan.hostname.empty() && (plan.namespaces & CLONE_NEWUTS))
    report.must(::sethostname(plan.hostname.data(), plan.hostname.size()) == 0, "sethostname", plan.hostname.c_str());
  root.leave_host();
  const int network = report.await_go();
  if (plan.waits_for_network) report.must(::setns(network, CLONE_NEWNET) == 0, "setns", "network namespace");
  root.mount_late();
  root.protect(true);
  if (!runs) hold(report);
  execute(report, plan.process, {terminal, terminal, terminal}, plan.process.terminal && !plan.chroot);
}

void run_exec(const ExecInput& input) noexcept {
  close_all_but({input.channel, input.init, input.root, input.stdio[0], input.stdio[1], input.stdio[2]});
  const Reporter report{input.channel};
  report.must(::setns(input.init, static_cast<int>(input.namespaces)) == 0, "setns", "namespaces of the container");
  // setns leads to the root of the mount namespace. Where the daemon itself runs in a chroot that is not init's root, but
  // that of the host.
  report.must(::fchdir(input.root) == 0 && ::chroot(".") == 0 && ::chdir("/") == 0, "chroot", "root of the container");
  ::close(input.root);
  // Whatever it leaves behind while it runs stays below it in the process tree, so that a timeout finds all of it.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  if (!input.process.terminal) execute(report, input.process, input.stdio, false);
  const int terminal = make_terminal(report, input.process);
  execute(report, input.process, {terminal, terminal, terminal}, true);
}

}  // namespace sovirt::launch::child
