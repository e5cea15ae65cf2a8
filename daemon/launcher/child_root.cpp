#include "daemon/launcher/child_root.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "daemon/base/namespace_root.hpp"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

namespace sovirt::launch::child {
namespace {

// Where the cgroup mounts are put together until /sys is there. In the container's own /dev, so it is no one else's.
constexpr const char* staging = "/dev/.sovirt-cgroup";

std::uint64_t attributes(unsigned long flags) noexcept {
  std::uint64_t attributes = 0;
  if (flags & MS_RDONLY) attributes |= MOUNT_ATTR_RDONLY;
  if (flags & MS_NOSUID) attributes |= MOUNT_ATTR_NOSUID;
  if (flags & MS_NODEV) attributes |= MOUNT_ATTR_NODEV;
  if (flags & MS_NOEXEC) attributes |= MOUNT_ATTR_NOEXEC;
  return attributes;
}

bool set_attributes(int tree, std::uint64_t set, bool recursive) noexcept {
  mount_attr attr{};
  attr.attr_set = set;
  return set == 0 || ::mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &attr, sizeof attr) == 0;
}

int clone_tree(int folder, const char* path, unsigned flags) noexcept {
  return ::open_tree(folder, path, OPEN_TREE_CLONE | O_CLOEXEC | flags);
}

bool attach(int tree, const char* path) noexcept {
  const bool attached = ::move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) == 0;
  const int error = errno;
  ::close(tree);
  errno = error;
  return attached;
}

bool is_folder(int fd) noexcept {
  struct stat status{};
  return ::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

void make_target(const Reporter& report, const char* path, bool folder) noexcept {
  char buffer[PATH_MAX];
  const std::size_t length = std::strlen(path);
  if (length >= sizeof buffer) report.fail(ENAMETOOLONG, "mkdir", path);
  struct stat status{};
  if (::stat(path, &status) == 0) return;
  std::memcpy(buffer, path, length + 1);
  for (std::size_t i = 1; i <= length; ++i) {
    if (buffer[i] != '/' && buffer[i] != '\0') continue;
    const char end = buffer[i];
    if (end == '\0' && !folder) break;
    buffer[i] = '\0';
    report.must(::mkdir(buffer, 0755) == 0 || errno == EEXIST, "mkdir", buffer);
    buffer[i] = end;
  }
  if (folder) return;
  const int file = ::open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOCTTY, 0644);
  report.must(file >= 0, "create", path);
  ::close(file);
}

void Root::open_shared_sources() const noexcept {
  for (std::size_t i = 0; i < plan_.mounts.size(); ++i) {
    const MountPlan& mount = plan_.mounts[i];
    if (!mount.bind || mount.propagation == 0) continue;
    const char* source = mount.source.c_str();
    if (i >= most_sources) report_.fail(E2BIG, "bind: source", source);
    const int tree = clone_tree(AT_FDCWD, source, mount.recursive ? AT_RECURSIVE : 0u);
    report_.must(tree >= 0, "bind: source", source);
    mount_attr wanted{};
    wanted.propagation = mount.propagation;
    const unsigned flags = AT_EMPTY_PATH | (mount.recursive ? AT_RECURSIVE : 0u);
    report_.must(::mount_setattr(tree, "", flags, &wanted, sizeof wanted) == 0, "bind: propagation", source);
    report_.must(set_attributes(tree, attributes(mount.flags), mount.recursive), "bind: mount_setattr", source);
    sources_[i] = tree + 1;
  }
}

void Root::attach_source(const MountPlan& mount, int tree) const noexcept {
  const char* target = mount.target.c_str();
  make_target(report_, target, is_folder(tree));
  report_.must(attach(tree, target), "bind", target);
}

void Root::enter(int rootfs) const noexcept {
  mount_attr isolated{};
  isolated.propagation = MS_PRIVATE;
  host_root_ = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  report_.must(host_root_ >= 0, "open", "/");
  // The namespace's root and not that of a chroot is what must go: a container could find its way back to it.
  report_.must(enter_namespace_root(), "setns", "root of the mount namespace");
  namespace_root_ = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  report_.must(namespace_root_ >= 0, "open", "/");
  report_.must(::mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &isolated, sizeof isolated) == 0, "mount_setattr", "/ private");
  report_.must(::move_mount(rootfs, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0, "move_mount", "root file system");
  // A clone of a mount that is shared (as all are under systemd) is shared as well, and cannot be pivoted to.
  report_.must(::mount_setattr(rootfs, "", AT_EMPTY_PATH | AT_RECURSIVE, &isolated, sizeof isolated) == 0, "mount_setattr",
               "root file system private");
  report_.must(::fchdir(rootfs) == 0, "fchdir", "root file system");
  // With both arguments the same, the old root ends up mounted over the new one, and no folder is needed for it.
  report_.must(::syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root", "root file system");
  report_.must(::chdir("/") == 0, "chdir", "/");
}

void Root::leave_host() const noexcept {
  report_.must(::fchdir(namespace_root_) == 0, "fchdir", "host root");
  report_.must(::umount2(".", MNT_DETACH) == 0, "umount", "host root");
  report_.must(::chdir("/") == 0, "chdir", "/");
  ::close(host_root_);
  ::close(namespace_root_);
}

void Root::bind_from_host(const char* source, const char* target, unsigned long flags, bool recursive) const noexcept {
  // The source is a path of the host, whose root is no longer ours: links in it are the host's as well.
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  const int found = static_cast<int>(::syscall(SYS_openat2, host_root_, source, &how, sizeof how));
  report_.must(found >= 0, "bind: source", source);
  const int tree = clone_tree(found, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u));
  report_.must(tree >= 0, "bind: open_tree", source);
  report_.must(set_attributes(tree, attributes(flags), recursive), "bind: mount_setattr", source);
  make_target(report_, target, is_folder(found));
  ::close(found);
  report_.must(attach(tree, target), "bind", target);
}

void Root::mount_cgroups(const MountPlan& mount, const char* at) const noexcept {
  make_target(report_, at, true);
  const CgroupView& view = plan_.cgroups;
  if (view.v1.empty()) {
    report_.must(::mount("cgroup2", at, "cgroup2", mount.flags, nullptr) == 0, "mount cgroup2", at);
    return;
  }
  report_.must(::mount("tmpfs", at, "tmpfs", mount.flags & ~static_cast<unsigned long>(MS_RDONLY), "mode=755") == 0,
               "mount tmpfs", at);
  char path[PATH_MAX];
  for (const CgroupHierarchy& hierarchy : view.v1) {
    std::snprintf(path, sizeof path, "%s/%s", at, hierarchy.folder.c_str());
    report_.must(::mkdir(path, 0755) == 0, "mkdir", path);
    report_.must(::mount("cgroup", path, "cgroup", mount.flags, hierarchy.data.c_str()) == 0, "mount cgroup", path);
    for (const std::string& alias : hierarchy.aliases) {
      std::snprintf(path, sizeof path, "%s/%s", at, alias.c_str());
      report_.must(::symlink(hierarchy.folder.c_str(), path) == 0, "symlink", path);
    }
  }
  if (!view.unified) return;
  std::snprintf(path, sizeof path, "%s/unified", at);
  report_.must(::mkdir(path, 0755) == 0, "mkdir", path);
  report_.must(::mount("cgroup2", path, "cgroup2", mount.flags, nullptr) == 0, "mount cgroup2", path);
}

void Root::mount_one(const MountPlan& mount) const noexcept {
  const char* target = mount.target.c_str();
  const std::size_t index = static_cast<std::size_t>(&mount - plan_.mounts.data());
  if (index < most_sources && sources_[index] > 0) return attach_source(mount, sources_[index] - 1);
  if (mount.bind) return bind_from_host(mount.source.c_str(), target, mount.flags, mount.recursive);
  if (mount.type == "cgroup") return mount_cgroups(mount, target);
  make_target(report_, target, true);
  const char* data = mount.data.empty() ? nullptr : mount.data.c_str();
  report_.must(::mount(mount.source.c_str(), target, mount.type.c_str(), mount.flags, data) == 0, "mount", target);
}

void Root::mount_early() const noexcept {
  for (const MountPlan& mount : plan_.mounts) {
    if (!mount.late) mount_one(mount);
    else if (stages_cgroups(mount)) mount_cgroups(mount, staging);
  }
}

void Root::mount_late() const noexcept {
  for (const MountPlan& mount : plan_.mounts) {
    if (!mount.late) continue;
    if (!stages_cgroups(mount)) {
      mount_one(mount);
      continue;
    }
    report_.must(::move_mount(AT_FDCWD, staging, AT_FDCWD, mount.target.c_str(), 0) == 0, "move_mount", mount.target.c_str());
    ::rmdir(staging);
  }
}

bool Root::is_late(const char* path) const noexcept {
  for (const MountPlan& mount : plan_.mounts)
    if (mount.late && std::strncmp(path, mount.target.c_str(), mount.target.size()) == 0) return true;
  return false;
}

void Root::protect(bool late) const noexcept {
  for (const std::string& path : plan_.masked)
    if (is_late(path.c_str()) == late) mask(path.c_str());
  for (const std::string& path : plan_.readonly)
    if (is_late(path.c_str()) == late) make_readonly(path.c_str());
}

void Root::mask(const char* path) const noexcept {
  const int found = ::open(path, O_PATH | O_CLOEXEC);
  if (found < 0) return;   // this kernel has no such file
  const bool folder = is_folder(found);
  ::close(found);
  if (folder) {
    report_.must(::mount("tmpfs", path, "tmpfs", MS_RDONLY, "size=0k") == 0, "mask", path);
    return;
  }
  const int null = clone_tree(AT_FDCWD, "/dev/null", 0);
  report_.must(null >= 0 && attach(null, path), "mask", path);
}

void Root::make_readonly(const char* path) const noexcept {
  const int tree = clone_tree(AT_FDCWD, path, AT_RECURSIVE);
  if (tree < 0 && errno == ENOENT) return;
  report_.must(tree >= 0, "read-only: open_tree", path);
  // What lies below /proc/sys/net belongs to the container's own network, so it stays writable for it.
  const bool keeps_net = std::strcmp(path, "/proc/sys") == 0 && plan_.waits_for_network;
  const int net = keeps_net ? clone_tree(AT_FDCWD, "/proc/sys/net", 0) : -1;
  report_.must(set_attributes(tree, MOUNT_ATTR_RDONLY, false), "read-only: mount_setattr", path);
  report_.must(attach(tree, path), "read-only", path);
  if (net >= 0) report_.must(attach(net, "/proc/sys/net"), "writable", "/proc/sys/net");
}

}  // namespace sovirt::launch::child
