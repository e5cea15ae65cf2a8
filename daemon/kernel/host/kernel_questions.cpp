#include "daemon/kernel/host/kernel_questions.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "daemon/base/unique_fd.hpp"

namespace sovirt {
namespace {

std::string reason(int number) { return ::strerrordesc_np(number) ? ::strerrordesc_np(number) : "unknown error"; }

unique_fd fs_open(const char* type) { return unique_fd{static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC))}; }

KernelAnswer ask_mount_api() {
  if (fs_open("tmpfs")) return present("fsopen(2) works");
  if (errno == ENOSYS) return missing("no fsopen(2): Linux 5.2 has it");
  return unknown("fsopen(2): " + reason(errno));
}

// Two directories put over each other read-only, in a mount that is in no mount table and gone with its descriptor.
KernelAnswer ask_overlay() {
  const unique_fd context = fs_open("overlay");
  if (!context && errno == ENODEV) return missing("the kernel has no file system \"overlay\"");
  if (!context) return unknown("fsopen(2): " + reason(errno));
  const auto configure = [&](unsigned command, const char* key, const char* value) {
    return ::syscall(SYS_fsconfig, context.get(), command, key, value, 0);
  };
  if (configure(FSCONFIG_SET_STRING, "lowerdir", "/etc:/usr") != 0 || configure(FSCONFIG_CMD_CREATE, nullptr, nullptr) != 0)
    return missing("the kernel has it, but does not let it be mounted here: " + reason(errno));
  const unique_fd mount{static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY))};
  if (!mount) return missing("the kernel has it, but does not let it be mounted here: " + reason(errno));
  return present("mounted one to try it");
}

KernelAnswer ask_mount_setattr() {
  ::syscall(SYS_mount_setattr, -1, "", 0U, nullptr, std::size_t{0});  // EINVAL: a structure of no size
  return errno == ENOSYS ? missing("no mount_setattr(2): Linux 5.12 has it")
                         : present("mount_setattr(2) is there; each file system has to allow it too");
}

// The errno of a clone3 that fails at the very end of the making of a process, because its group is not an open file.
int failing_clone(std::uint64_t flags) {
  clone_args args{};
  args.flags = flags | CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.cgroup = INT_MAX;
  const long result = ::syscall(SYS_clone3, &args, sizeof args);
  if (result == 0) ::_exit(0);  // cannot be: that descriptor is not open
  return errno;
}

KernelAnswer ask_clone_into_cgroup() {
  const int error = failing_clone(0);
  if (error == EBADF) return present("clone3(2) takes a group");
  if (error == ENOSYS) return missing("no clone3(2): Linux 5.3 has it, and a seccomp filter may hide it");
  return missing("clone3(2) does not know CLONE_INTO_CGROUP: Linux 5.7 does");
}

// Credentials come before the group in the making of a process: EBADF is a user namespace that was made and is gone again.
KernelAnswer ask_user_namespace() {
  switch (failing_clone(CLONE_NEWUSER)) {
    case EBADF: return present("clone3(2) made one to try it");
    case EPERM: return missing("clone(2) is not permitted to make one here: in a chroot(2) the kernel allows none, nor may a seccomp filter or security module");
    case ENOSPC: return missing("no more can be made: sysctl user.max_user_namespaces, or they are nested 32 deep");
    default: return unknown("clone3(2) does not tell");
  }
}

KernelAnswer ask_pidfd() {
  const unique_fd fd{static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0))};
  return fd ? present("pidfd_open(2) works") : missing("pidfd_open(2): " + reason(errno) + "; Linux 5.3 has it");
}

KernelAnswer ask_seccomp() {
  std::uint32_t action = SECCOMP_RET_KILL_PROCESS;
  if (::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) return present("filters with all actions");
  return errno == ENOSYS || errno == EINVAL ? missing("CONFIG_SECCOMP_FILTER is not set in this kernel")
                                            : unknown("seccomp(2): " + reason(errno));
}

KernelAnswer ask_landlock() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0}, LANDLOCK_CREATE_RULESET_VERSION);
  if (version > 0) return present("ABI " + std::to_string(version));
  return missing(errno == EOPNOTSUPP ? "in the kernel, but not enabled at boot (lsm=)" : "not in this kernel");
}

#if defined(__x86_64__) || defined(__i386__)
std::string signature_at(unsigned leaf) {
  unsigned eax = 0, words[3] = {};
  __cpuid(leaf, eax, words[0], words[1], words[2]);
  char text[12];
  std::memcpy(text, words, sizeof text);
  std::string signature{text, sizeof text};
  while (!signature.empty() && signature.back() == '\0') signature.pop_back();
  return signature;
}
#endif

}  // namespace

const char* state_text(KernelAnswer::State state) noexcept {
  switch (state) {
    case KernelAnswer::State::present: return "present";
    case KernelAnswer::State::missing: return "missing";
    case KernelAnswer::State::unknown: return "unknown";
  }
  return "unknown";
}

KernelAnswer present(std::string detail) { return {KernelAnswer::State::present, std::move(detail)}; }
KernelAnswer missing(std::string detail) { return {KernelAnswer::State::missing, std::move(detail)}; }
KernelAnswer unknown(std::string detail) { return {KernelAnswer::State::unknown, std::move(detail)}; }

Answers ask_kernel(const std::set<std::string>& loading) {
  Answers all{{"mount-api", ask_mount_api()},
              {"idmapped-mounts", ask_mount_setattr()},
              {"clone-into-cgroup", ask_clone_into_cgroup()},
              {"namespace-user", ask_user_namespace()},
              {"pidfd", ask_pidfd()},
              {"seccomp", ask_seccomp()},
              {"landlock", ask_landlock()}};
  if (!loading.contains("overlayfs")) all.insert_or_assign("overlayfs", ask_overlay());
  ask_network(loading, all);
  return all;
}

std::string cpuid_signature() {
#if defined(__x86_64__) || defined(__i386__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & (1U << 31))) return {};
  // KVM and Xen can show Hyper-V's interface at the first leaf for the sake of Windows, and their own further up.
  for (unsigned leaf = 0x40000100; leaf < 0x40010000; leaf += 0x100) {
    const std::string other = signature_at(leaf);
    if (other == "KVMKVMKVM" || other == "XenVMMXenVMM") return other;
  }
  return signature_at(0x40000000);
#else
  return {};
#endif
}

}  // namespace sovirt
