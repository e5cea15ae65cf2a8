#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <mutex>

#include "daemon/kernel/namespace/namespaces.hpp"
#include "daemon/kernel/netlink/links.hpp"
#include "daemon/kernel/netlink/namespaces.hpp"

namespace sovirt {
namespace {

constexpr long nsfs_magic = 0x6e736673;   // NSFS_MAGIC of linux/magic.h

bool is_network_namespace(int fd) {
  struct statfs about{};
  return ::fstatfs(fd, &about) == 0 && about.f_type == nsfs_magic && ::ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

std::uint64_t inode_of(int fd) {
  struct stat about{};
  if (::fstat(fd, &about) != 0) throw errno_error("fstat", "network namespace");
  return about.st_ino;
}

// The name in the mount table that a descriptor's file goes by.
std::string path_of(int fd) { return "/proc/thread-self/fd/" + std::to_string(fd); }

std::string mark_in(int netns) {
  netlink::Socket socket = netlink::socket_in(netns);
  const auto lo = netlink::get_link(socket, "lo");
  return lo ? lo->state.mark : "";
}

void change_mark(int netns, std::string_view uid, std::uint16_t message) {
  netlink::Socket socket = netlink::socket_in(netns);
  netlink::Batch batch;
  batch.begin(message, message == RTM_NEWLINKPROP ? NLM_F_CREATE | NLM_F_EXCL : 0, ifinfomsg{});
  batch.put_text(IFLA_IFNAME, "lo");
  batch.nest(IFLA_PROP_LIST | NLA_F_NESTED, [&] { batch.put_text(IFLA_ALT_IFNAME, netlink::bridge_altname(uid)); });
  netlink::expect(socket.transact(batch).front(), "RTM_NEWLINKPROP", "lo");
}

Error foreign_pin(std::string_view name) {
  return Error{Code::conflict, "a network namespace named " + std::string{name} + " exists and is not sovirt's"}
      .with_hint("adopt it by its name with \"adopt\": true, or choose another name");
}

unique_fd try_open(const std::string& file) {
  // Without O_NONBLOCK a FIFO somebody put there would hold us for ever.
  unique_fd fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  return fd && is_network_namespace(fd.get()) ? std::move(fd) : unique_fd{};
}

// The empty file of a pin that was unmounted but not removed serves again.
void mount_on(const std::string& file, int netns) {
  const unique_fd made{::open(file.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0)};
  struct stat about{};
  if (!made || ::fstat(made.get(), &about) != 0) throw errno_error("open", file);
  if (!S_ISREG(about.st_mode) || about.st_size != 0)
    throw Error{Code::conflict, file + " exists and is not a network namespace: left untouched"}.with_hint("remove it if nobody needs it");
  if (::mount(path_of(netns).c_str(), file.c_str(), "none", MS_BIND, nullptr) == 0) return;
  const int number = errno;
  ::unlink(file.c_str());
  throw errno_error(number, "mount", file);
}

void unmount(const std::string& file) {
  if (::umount2(file.c_str(), MNT_DETACH) != 0 && errno != EINVAL) throw errno_error("umount2", file);
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) throw errno_error("unlink", file);
}

class Pins final : public NamespacePins {
 public:
  explicit Pins(std::string folder) : folder_(std::move(folder)) {}

  std::optional<PinState> find(std::string_view name) override {
    const unique_fd fd = try_open(path(name));
    if (!fd) return std::nullopt;
    return PinState{std::string{name}, inode_of(fd.get()), mark_in(fd.get())};
  }

  std::vector<PinState> all() override {
    std::vector<PinState> out;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error))
      if (auto pin = find(entry.path().filename().string())) out.push_back(std::move(*pin));
    return out;
  }

  void create(std::string_view name, std::string_view uid) override {
    if (const auto there = find(name)) {
      if (there->mark != uid) throw foreign_pin(name);
      return;
    }
    const unique_fd made = netlink::new_netns();
    change_mark(made.get(), uid, RTM_NEWLINKPROP);
    pin(name, made.get());
  }

  void adopt(std::string_view name, std::string_view uid) override {
    const unique_fd fd = open(name);
    const std::string mark = mark_in(fd.get());
    if (mark == uid) return;
    if (!mark.empty()) throw Error{Code::conflict, "network namespace " + std::string{name} + " belongs to another object of sovirt"};
    change_mark(fd.get(), uid, RTM_NEWLINKPROP);
  }

  void release(std::string_view name, std::string_view uid) override {
    const unique_fd fd = try_open(path(name));
    if (fd && mark_in(fd.get()) == uid) change_mark(fd.get(), uid, RTM_DELLINKPROP);
  }

  void pin(std::string_view name, int netns) override {
    prepare_directory();
    const std::string file = path(name);
    if (const unique_fd there = try_open(file)) {
      if (inode_of(there.get()) == inode_of(netns)) return;
      throw foreign_pin(name);
    }
    mount_on(file, netns);
  }

  bool remove(std::string_view name, std::string_view uid) override {
    const std::string file = path(name);
    const unique_fd fd = try_open(file);
    if (!fd || uid.empty() || mark_in(fd.get()) != uid) return false;
    unmount(file);
    return true;
  }

  unique_fd open(std::string_view name) override {
    unique_fd fd = try_open(path(name));
    if (!fd) throw Error{Code::not_found, "no network namespace is pinned at " + path(name)};
    return fd;
  }

  std::uint64_t inode(std::string_view name) override {
    struct stat about{};
    const std::string file = path(name);
    if (::lstat(file.c_str(), &about) != 0 || S_ISDIR(about.st_mode)) return 0;
    return about.st_size == 0 && S_ISREG(about.st_mode) ? about.st_ino : 0;
  }

 private:
  std::string path(std::string_view name) const { return folder_ + "/" + std::string{name}; }

  // As ip-netns(8) does it: shared, so that what is unmounted here is so in every mount namespace made from this one.
  void prepare_directory() {
    const std::lock_guard lock(directory_mutex_);
    std::filesystem::create_directories(folder_);
    const char* directory = folder_.c_str();
    if (::mount("", directory, "none", MS_SHARED | MS_REC, nullptr) == 0) return;
    if (errno != EINVAL) throw errno_error("mount", folder_);
    if (::mount(directory, directory, "none", MS_BIND | MS_REC, nullptr) != 0) throw errno_error("mount", folder_);
    if (::mount("", directory, "none", MS_SHARED | MS_REC, nullptr) != 0) throw errno_error("mount", folder_);
  }

  std::string folder_;
  std::mutex directory_mutex_;
};

constexpr const char* parking_key = "parking";

class Kept final : public KeptNamespaces {
 public:
  explicit Kept(std::string folder) : folder_(std::move(folder)) {}

  unique_fd parking() override {
    const std::lock_guard lock(mutex_);
    if (unique_fd there = try_open(path(parking_key))) return there;
    unique_fd made = netlink::new_netns();
    keep_locked(parking_key, made.get());
    return made;
  }

  void keep(std::string_view key, int netns) override {
    const std::lock_guard lock(mutex_);
    keep_locked(key, netns);
  }

  unique_fd kept(std::string_view key) override { return try_open(path(key)); }

  void let_go(std::string_view key) override {
    if (try_open(path(key))) unmount(path(key));
  }

  std::vector<std::string> keys() override {
    std::vector<std::string> out;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error))
      if (entry.path().filename() != parking_key) out.push_back(entry.path().filename().string());
    return out;
  }

 private:
  std::string path(std::string_view key) const { return folder_ + "/" + std::string{key}; }

  void keep_locked(std::string_view key, int netns) {
    const std::string file = path(key);
    if (const unique_fd there = try_open(file)) {
      if (inode_of(there.get()) == inode_of(netns)) return;
      unmount(file);
    }
    std::filesystem::create_directories(folder_);
    mount_on(file, netns);
  }

  std::string folder_;
  std::mutex mutex_;
};

}  // namespace

std::unique_ptr<NamespacePins> make_namespace_pins(std::string folder) { return std::make_unique<Pins>(std::move(folder)); }
std::unique_ptr<KeptNamespaces> make_kept_namespaces(std::string folder) { return std::make_unique<Kept>(std::move(folder)); }

}  // namespace sovirt
