#pragma once
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sovirt {

// Moves the caller's root and working directory to the root of its mount namespace, out of any chroot. In a chroot
// whose "/" is no mount point nothing there can be made private or pivoted away from: the mount it lies on has no path.
// Only for a cloned child with a mount namespace and fs_struct of its own: system calls and nothing else. false: errno.
// Source: setns(2), "Mount namespaces"; a pidfd names the namespace without a need of /proc.
inline bool enter_namespace_root() noexcept {
  const int self = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  if (self < 0) return false;
  const bool entered = ::setns(self, CLONE_NEWNS) == 0;
  ::close(self);
  return entered;
}

}  // namespace sovirt
