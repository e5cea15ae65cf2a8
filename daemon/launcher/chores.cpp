#include "daemon/launcher/chores.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "daemon/base/error.hpp"
#include "daemon/launcher/child_report.hpp"
#include "daemon/launcher/child_root.hpp"
#include "daemon/launcher/process_file.hpp"

namespace sovirt::launch {
namespace {

using child::Reporter;

constexpr unsigned longest_seconds = 10;

// Of the container's init, opened while /proc is the host's.
struct Files { unique_fd root, mountinfo; };

int open_inside(const char* path, std::uint64_t flags) noexcept {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
}

struct Identity { bool mounted; std::uint64_t device, inode, mount; };

// Is this the root of a mount, of which, and of what?
Identity identify(const Reporter& report, int fd, const char* path) noexcept {
  struct statx facts{};
  report.must(::statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &facts) == 0, "statx", path);
  return {(facts.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0, makedev(facts.stx_dev_major, facts.stx_dev_minor), facts.stx_ino, facts.stx_mnt_id};
}

// Is the mount of this number a tmpfs of the container's spec? By the mount table of its init: "36 35 0:33 / /x … - tmpfs SOURCE …".
bool is_our_tmpfs(int mountinfo, std::uint64_t mount) {
  const std::string table = read_text(mountinfo);
  const std::string number = std::to_string(mount) + " ";
  for (std::size_t begin = 0; begin < table.size();) {
    const auto end = std::min(table.find('\n', begin), table.size());
    const std::string line = table.substr(begin, end - begin);
    if (line.starts_with(number)) return line.find(std::string{" - tmpfs "} + tmpfs_source + " ") != std::string::npos;
    begin = end + 1;
  }
  return false;
}

void enter(const Reporter& report, int init, int root, std::uint64_t namespaces) noexcept {
  report.must(::setns(init, static_cast<int>(namespaces)) == 0, "setns", "namespaces of the container");
  report.must(::fchdir(root) == 0 && ::chroot(".") == 0 && ::chdir("/") == 0, "chroot", "root of the container");
}

// Done twice is done: after a crash of the daemon it is asked for again.
void add_mount(const Reporter& report, const MountRequest& request, int tree, int mountinfo) noexcept {
  child::make_target(report, request.target, request.is_folder);
  const int at = open_inside(request.target, O_PATH);
  report.must(at >= 0, "openat2", request.target);
  const Identity there = identify(report, at, request.target), wanted = identify(report, tree, request.target);
  if (there.mounted && there.device == wanted.device && there.inode == wanted.inode) return;
  if (there.mounted && request.is_tmpfs && is_our_tmpfs(mountinfo, there.mount)) return;
  report.must(::move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0, "move_mount", request.target);
}

// Only what was mounted for the spec: the container may have put something over it, or taken it away itself.
void remove_mount(const Reporter& report, MountRequest& request, int mountinfo) noexcept {
  const int at = open_inside(request.target, O_PATH);
  if (at < 0 && (errno == ENOENT || errno == ENOTDIR)) return;
  report.must(at >= 0, "openat2", request.target);
  const Identity there = identify(report, at, request.target);
  const bool known = request.device != 0 || request.inode != 0;
  if (!there.mounted || (request.is_tmpfs && !is_our_tmpfs(mountinfo, there.mount))) return;
  if (!request.is_tmpfs && known && (there.device != request.device || there.inode != request.inode)) return;
  // By its folder and last name, so that no link that appears meanwhile is followed.
  char* slash = std::strrchr(request.target, '/');
  const char* name = slash + 1;
  *slash = '\0';
  const int folder = open_inside(request.target[0] != '\0' ? request.target : "/", O_PATH | O_DIRECTORY);
  *slash = '/';
  report.must(folder >= 0 && ::fchdir(folder) == 0, "fchdir", request.target);
  report.must(::umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL, "umount", request.target);
}

[[noreturn]] void work(int connection, const Received& request, int init, const Files& files, std::uint64_t namespaces) noexcept {
  const Reporter report{connection};
  ::prctl(PR_SET_NAME, "sovirt-chore", 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  sigset_t alarm;
  ::sigemptyset(&alarm);
  ::sigaddset(&alarm, SIGALRM);
  ::sigprocmask(SIG_UNBLOCK, &alarm, nullptr);
  ::alarm(longest_seconds);
  ::umask(022);
  enter(report, init, files.root.get(), namespaces);
  if (request.type == Type::set_hostname) {
    const auto wanted = request.as<HostnameRequest>();
    report.must(::sethostname(wanted.name, ::strnlen(wanted.name, sizeof wanted.name)) == 0, "sethostname", wanted.name);
  } else {
    auto wanted = request.as<MountRequest>();
    wanted.target[sizeof wanted.target - 1] = '\0';
    report.must(wanted.target[0] == '/', "mount", "a target that is not absolute");
    if (request.type == Type::mount) add_mount(report, wanted, request.fds.empty() ? -1 : request.fds[0].get(), files.mountinfo.get());
    else remove_mount(report, wanted, files.mountinfo.get());
  }
  send_message(connection, Type::done);
  ::_exit(0);
}

Files files_of(int pidfd) {
  const std::string info = read_text(("/proc/self/fdinfo/" + std::to_string(pidfd)).c_str());
  const auto line = info.find("Pid:");
  const std::string pid = line == std::string::npos ? "0" : std::to_string(std::atoi(info.c_str() + line + 4));
  Files files{unique_fd{::open(("/proc/" + pid + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)},
              unique_fd{::open(("/proc/" + pid + "/mountinfo").c_str(), O_RDONLY | O_CLOEXEC)}};
  if (!files.root || !files.mountinfo) throw errno_error("open", "/proc/" + pid);
  return files;
}

}  // namespace

bool Chores::known(Type type) noexcept { return type == Type::mount || type == Type::unmount || type == Type::set_hostname; }

void Chores::start(unique_fd connection, const Received& request, int init_pidfd, std::uint64_t namespaces) {
  try {
    const std::uint64_t wanted = CLONE_NEWNS | (request.type == Type::set_hostname ? namespaces & CLONE_NEWUTS : 0u);
    if (request.type == Type::set_hostname && (wanted & CLONE_NEWUTS) == 0) throw Error{Code::invalid, "a chroot has the host's name"};
    const Files files = files_of(init_pidfd);
    const pid_t pid = ::fork();
    if (pid < 0) throw errno_error("fork");
    if (pid == 0) work(connection.get(), request, init_pidfd, files, wanted);
    const auto one = running_.insert(running_.end(), One{unique_fd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))}});
    if (!one->pidfd) throw errno_error("pidfd_open");
    loop_.add(one->pidfd.get(), [this, one] {
      loop_.remove(one->pidfd.get());
      ::waitid(P_PIDFD, static_cast<id_t>(one->pidfd.get()), nullptr, WEXITED);
      running_.erase(one);
    });
  } catch (const Error& error) {
    send_message(connection.get(), Type::failed, make_failure(error.error_number(), error.syscall(), error.detail()));
  }
}

void Chores::finish() noexcept {
  for (One& one : running_) {
    loop_.remove(one.pidfd.get());
    ::syscall(SYS_pidfd_send_signal, one.pidfd.get(), SIGKILL, nullptr, 0);
    ::waitid(P_PIDFD, static_cast<id_t>(one.pidfd.get()), nullptr, WEXITED | WNOHANG);
  }
  running_.clear();
}

}  // namespace sovirt::launch
