#include "daemon/launcher/child_process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

namespace sovirt::launch::child {
namespace {

struct CapabilityData { __user_cap_data_struct half[2]; };

bool call_capabilities(long call, CapabilityData& data) noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(call, &header, &data) == 0;
}

std::uint32_t low(std::uint64_t set) noexcept { return static_cast<std::uint32_t>(set); }
std::uint32_t high(std::uint64_t set) noexcept { return static_cast<std::uint32_t>(set >> 32); }

void drop_bounding(const Reporter& report, const Capabilities& wanted) noexcept {
  for (unsigned bit = 0; bit < 64; ++bit) {
    if (wanted.bounding & (std::uint64_t{1} << bit)) continue;
    if (::prctl(PR_CAPBSET_DROP, bit, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) return;   // past the last one this kernel knows
    report.fail(errno, "capabilities", "bounding set");
  }
}

// A host may itself lack a capability (a daemon in a container): what is not there cannot be given, and is left out.
void set_capabilities(const Reporter& report, const Capabilities& wanted) noexcept {
  CapabilityData data{};
  report.must(call_capabilities(SYS_capget, data), "capabilities", "capget");
  const std::uint64_t held = data.half[0].permitted | std::uint64_t{data.half[1].permitted} << 32;
  const std::uint64_t permitted = wanted.permitted & held, effective = wanted.effective & permitted;
  const std::uint64_t inheritable = wanted.inheritable & held;
  data.half[0] = {low(effective), low(permitted), low(inheritable)};
  data.half[1] = {high(effective), high(permitted), high(inheritable)};
  report.must(call_capabilities(SYS_capset, data), "capabilities", "capset");
  for (unsigned bit = 0; bit < 64; ++bit)
    if (wanted.ambient & permitted & inheritable & (std::uint64_t{1} << bit))
      report.must(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0) == 0, "capabilities", "ambient set");
}

void set_limits(const Reporter& report, const ProcessPlan& process) noexcept {
  for (const ResourceLimit& limit : process.limits) {
    rlimit value = limit.value;
    if (::setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) == 0) continue;
    // Raising the hard limit needs CAP_SYS_RESOURCE, which a host need not have: as high as it goes then.
    rlimit current{};
    report.must(errno == EPERM && ::getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &current) == 0, "rlimit", "set");
    value.rlim_max = value.rlim_max < current.rlim_max ? value.rlim_max : current.rlim_max;
    value.rlim_cur = value.rlim_cur < value.rlim_max ? value.rlim_cur : value.rlim_max;
    report.must(::setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) == 0, "rlimit", "set");
  }
}

// While it may still do so without no_new_privs. Nothing that follows here is among the calls that are refused.
void filter_calls(const Reporter& report, const ProcessPlan& process) noexcept {
  if (process.seccomp.empty()) return;
  sock_fprog program{static_cast<unsigned short>(process.seccomp.size()), const_cast<sock_filter*>(process.seccomp.data())};
  report.must(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0, "seccomp", "filter");
}

void become_user(const Reporter& report, const ProcessPlan& process) noexcept {
  filter_calls(report, process);
  if (process.capabilities.given) drop_bounding(report, process.capabilities);
  // In a chroot the list of groups is the host's root's, so it is set even when empty.
  report.must(::setgroups(process.groups.size(), process.groups.data()) == 0, "setgroups", "");
  report.must(::setresgid(process.gid, process.gid, process.gid) == 0, "setresgid", "");
  const bool keeps = process.uid != 0 && process.capabilities.ambient != 0;
  if (keeps) report.must(::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0, "capabilities", "keep");
  report.must(::setresuid(process.uid, process.uid, process.uid) == 0, "setresuid", "");
  if (process.capabilities.given && (process.uid == 0 || keeps)) set_capabilities(report, process.capabilities);
  if (process.no_new_privileges) report.must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs", "");
}

// Descriptors 0 to 2 may be among the sources, so these move out of the way first.
void set_stdio(const Reporter& report, const int (&stdio)[3]) noexcept {
  int away[3];
  for (int i = 0; i < 3; ++i) {
    away[i] = ::fcntl(stdio[i], F_DUPFD_CLOEXEC, 10);
    report.must(away[i] >= 0, "stdio", "dup");
  }
  for (int i = 0; i < 3; ++i) report.must(::dup2(away[i], i) == i, "stdio", "dup2");
}

void reset_signals() noexcept {
  // A monitor blocks what it does not want to end by; dispositions it leaves alone.
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

void execute(const Reporter& report, const ProcessPlan& process, const int (&stdio)[3], bool controlling_terminal) noexcept {
  ::setsid();
  set_stdio(report, stdio);
  if (controlling_terminal) report.must(::ioctl(0, TIOCSCTTY, 0) == 0, "console", "controlling terminal");
  set_limits(report, process);
  ::umask(process.umask);
  report.must(::syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) == 0, "close_range", "");
  become_user(report, process);
  // As the user it will be: a folder it may not enter is an error of the request.
  report.must(::chdir(process.cwd.c_str()) == 0, "chdir", process.cwd.c_str());
  reset_signals();
  report.about_to_execute();
  int error = ENOENT;
  const char* object = process.args.data()[0];
  for (const std::string& file : process.candidates) {
    ::execve(file.c_str(), process.args.data(), process.env.data());
    if (errno == ENOENT || errno == ENOTDIR) continue;
    error = errno;
    object = file.c_str();
    if (errno != EACCES) break;   // as execvp(3): look further for one that may be executed
  }
  report.fail(error, "execve", object);
}

void hold(Reporter& report) noexcept {
  ::setsid();
  ::prctl(PR_SET_NAME, "sovirt-hold", 0, 0, 0);
  report.about_to_execute();
  report.close();
  ::syscall(SYS_close_range, 3u, ~0u, 0u);
  reset_signals();
  for (;;) ::pause();
}

}  // namespace sovirt::launch::child
