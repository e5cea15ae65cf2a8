#include "daemon/kernel/process/live_changes.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/base/error.hpp"
#include "daemon/kernel/mount/root_path.hpp"
#include "daemon/kernel/process/criu.hpp"
#include "daemon/kernel/process/monitor_client.hpp"
#include "daemon/launcher/protocol.hpp"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

namespace sovirt {
namespace {

using namespace process;

constexpr int chore_timeout_ms = 12'000;   // a chore is killed after ten seconds

Error source_error(const std::string& source, const std::string& at, const std::string& why) {
  return Error{Code::conflict, source + ": " + why}
      .with_fields({{at, "source", source + " on the host: " + why}})
      .with_hint("the path is one of the host, as the daemon sees it");
}

void set_attributes(int tree, std::uint64_t attributes, std::uint64_t propagation, bool recursive, const std::string& what) {
  mount_attr wanted{};
  wanted.attr_set = attributes;
  wanted.propagation = propagation;
  if (attributes == 0 && propagation == 0) return;
  if (::mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &wanted, sizeof wanted) != 0)
    throw errno_error("mount_setattr", what);
}

// A mount that no mount table shows yet, of what the spec names.
unique_fd bind_tree(const MountSpec& mount) {
  unique_fd tree{::open_tree(AT_FDCWD, mount.source.c_str(), OPEN_TREE_CLONE | O_CLOEXEC | (mount.recursive ? AT_RECURSIVE : 0u))};
  if (const int number = errno; !tree) throw source_error(mount.source, "", ::strerrordesc_np(number)).with_errno(number, "open_tree");
  std::uint64_t propagation = MS_PRIVATE;
  if (mount.propagation == MountSpec::Propagation::slave) propagation = MS_SLAVE;
  // The clone of a shared mount is its peer, which is what is asked for; others begin to be shared here.
  if (mount.propagation == MountSpec::Propagation::shared) propagation = MS_SHARED;
  set_attributes(tree.get(), mount.read_only ? MOUNT_ATTR_RDONLY : 0, propagation, mount.recursive, mount.source);
  return tree;
}

unique_fd tmpfs_tree(const MountSpec& mount) {
  const unique_fd fs{::fsopen("tmpfs", FSOPEN_CLOEXEC)};
  if (!fs) throw errno_error("fsopen", "tmpfs");
  const auto set = [&](const char* key, const std::string& value) {
    if (::fsconfig(fs.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) != 0) throw errno_error("fsconfig", std::string{"tmpfs "} + key);
  };
  set("source", launch::tmpfs_source);
  set("mode", "1777");
  if (mount.size != 0) set("size", std::to_string(mount.size));
  if (::fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) throw errno_error("fsconfig", "tmpfs");
  const auto attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (mount.read_only ? MOUNT_ATTR_RDONLY : 0);
  unique_fd tree{::fsmount(fs.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes))};
  if (!tree) throw errno_error("fsmount", "tmpfs");
  return tree;
}

class MonitorChanges final : public LiveChanges {
 public:
  MonitorChanges(std::string directory, std::string boot_id) : run_(std::move(directory), std::move(boot_id)) {}

  void check_source(const MountSpec& mount, const std::string& at) override {
    if (mount.type == MountSpec::Type::tmpfs) return;
    const unique_fd found{::open(mount.source.c_str(), O_PATH | O_CLOEXEC)};
    if (!found) throw source_error(mount.source, at, ::strerrordesc_np(errno));
  }

  void mount(std::string_view uid, const MountSpec& mount) override {
    const unique_fd tree = mount.type == MountSpec::Type::tmpfs ? tmpfs_tree(mount) : bind_tree(mount);
    struct stat facts{};
    if (::fstat(tree.get(), &facts) != 0) throw errno_error("fstat", mount.source);
    launch::MountRequest request{};
    request.is_folder = S_ISDIR(facts.st_mode);
    request.is_tmpfs = mount.type == MountSpec::Type::tmpfs;
    launch::copy_text(request.target, mount.target);
    const int fds[] = {tree.get()};
    ask(uid, launch::Type::mount, std::as_bytes(std::span{&request, 1}), fds, "cannot mount at " + mount.target);
  }

  void unmount(std::string_view uid, const MountSpec& mount) override {
    launch::MountRequest request{};
    request.is_tmpfs = mount.type == MountSpec::Type::tmpfs;
    struct stat facts{};
    if (!request.is_tmpfs && ::stat(mount.source.c_str(), &facts) == 0) {
      request.device = facts.st_dev;
      request.inode = facts.st_ino;
    }
    launch::copy_text(request.target, mount.target);
    ask(uid, launch::Type::unmount, std::as_bytes(std::span{&request, 1}), {}, "cannot unmount " + mount.target);
  }

  void set_hostname(std::string_view uid, const std::string& name) override {
    launch::HostnameRequest request{};
    launch::copy_text(request.name, name);
    ask(uid, launch::Type::set_hostname, std::as_bytes(std::span{&request, 1}), {}, "cannot set the host name");
  }

  DeviceNode examine(const DeviceSpec& device, const std::string& at) override {
    struct stat facts{};
    if (::stat(device.source.c_str(), &facts) != 0) throw source_error(device.source, at, ::strerrordesc_np(errno));
    if (!S_ISCHR(facts.st_mode) && !S_ISBLK(facts.st_mode)) throw source_error(device.source, at, "is not a device");
    return {device.path, S_ISCHR(facts.st_mode) ? "c" : "b", ::major(facts.st_rdev), ::minor(facts.st_rdev),
            device.mode.value_or(facts.st_mode & 0777), device.uid.value_or(facts.st_uid), device.gid.value_or(facts.st_gid)};
  }

  void add_device(int root, const DeviceNode& node) override {
    const std::string name{rootfs::base_name(node.path)};
    const unique_fd parent = rootfs::make_parents(root, node.path);
    const mode_t kind = node.type == "c" ? S_IFCHR : S_IFBLK;
    if (::mknodat(parent.get(), name.c_str(), kind | 0600, makedev(node.major, node.minor)) != 0) {
      if (errno != EEXIST) throw errno_error("mknodat", node.path);
      struct stat there{};
      const bool same = ::fstatat(parent.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                        (there.st_mode & S_IFMT) == kind && there.st_rdev == makedev(node.major, node.minor);
      if (!same) throw Error{Code::conflict, node.path + " is there already and is something else"};
    }
    // Of the node itself: a link that takes its place is neither followed nor changed in mode.
    if (::fchownat(parent.get(), name.c_str(), node.uid, node.gid, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("fchownat", node.path);
    const unique_fd made{::openat(parent.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
    const std::string own = "/proc/self/fd/" + std::to_string(made.get());
    struct stat there{};
    if (made && ::fstat(made.get(), &there) == 0 && (there.st_mode & S_IFMT) == kind && ::chmod(own.c_str(), node.mode) != 0)
      throw errno_error("chmod", node.path);
  }

  void remove_device(int root, const std::string& path) override {
    const unique_fd parent{rootfs::open_in_root(root, rootfs::parent_of(path), O_PATH | O_DIRECTORY)};
    struct stat there{};
    const std::string name{rootfs::base_name(path)};
    if (!parent || ::fstatat(parent.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (!S_ISCHR(there.st_mode) && !S_ISBLK(there.st_mode)) return;   // not ours any more
    if (::unlinkat(parent.get(), name.c_str(), 0) != 0 && errno != ENOENT) throw errno_error("unlinkat", path);
  }

  std::string checkpoint_obstacle() override { return sovirt::checkpoint_obstacle(); }

 private:
  void ask(std::string_view uid, launch::Type type, std::span<const std::byte> body, std::span<const int> fds, const std::string& what) {
    const unique_fd monitor = connect_monitor(run_, uid);
    if (!monitor)
      throw Error{Code::conflict, what + ": the container has ended, or runs without its monitor"}.with_hint("restart the container");
    if (!launch::send_message(monitor.get(), type, body, fds)) throw errno_error("sendmsg", what);
    const auto answer = launch::receive_message(monitor.get(), chore_timeout_ms);
    if (answer && answer->type == launch::Type::done) return;
    if (answer && answer->type == launch::Type::failed) throw from_wire(answer->as<launch::Failure>(), Code::conflict, what);
    throw Error{Code::conflict, what + ": the container's monitor could not do it in time, or is one of an older version"}
        .with_hint("restart the container");
  }

  RunDirectory run_;
};

}  // namespace

std::unique_ptr<LiveChanges> make_live_changes(std::string directory, std::string boot_id) {
  return std::make_unique<MonitorChanges>(std::move(directory), std::move(boot_id));
}

}  // namespace sovirt
