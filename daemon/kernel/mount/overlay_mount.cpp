#include "daemon/kernel/mount/overlay_mount.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"

namespace sovirt::rootfs {
namespace {

constexpr std::size_t longest_value = 255;   // of one fsconfig(2)

unique_fd open_directory(const std::string& path) {
  unique_fd opened{::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!opened) throw errno_error("open", path);
  return opened;
}

// The file system context's own words ("e overlay: …"), which say more than the errno; "" on kernels where overlayfs
// writes them to the kernel log only (before 6.5).
std::string context_messages(int fs) {
  std::string all;
  std::array<char, 1024> line;
  for (int count = 0; count < 16; ++count) {
    const ssize_t length = ::read(fs, line.data(), line.size());
    if (length <= 0) break;
    std::string_view text{line.data(), static_cast<std::size_t>(length)};
    if (text.size() > 2 && text[1] == ' ') text.remove_prefix(2);
    while (text.ends_with('\n')) text.remove_suffix(1);
    all.append(all.empty() ? "" : "; ").append(text);
  }
  return all;
}

// Colons, commas and backslashes mean something to overlayfs, and how they are escaped differs between kernels: such a
// path goes by way of its descriptor, and everyone else's shows in mountinfo as it is.
bool plain(const std::string& path) noexcept { return path.find_first_of(":,\\\n") == std::string::npos; }

class Paths {
 public:
  // As text for an option of its own.
  std::string one(const std::string& path) { return plain(path) ? path : "/proc/self/fd/" + number(path); }
  // Many, joined by colons: by name if that fits, else by the numbers of their descriptors, looked up from /proc/self/fd.
  std::string many(const std::vector<std::string>& paths) {
    std::string text;
    for (const std::string& path : paths) text.append(text.empty() ? "" : ":").append(one(path));
    if (text.size() <= longest_value) return text;
    numbers_ = true;
    text.clear();
    for (const std::string& path : paths) text.append(text.empty() ? "" : ":").append(number(path));
    if (text.size() > longest_value)
      throw Error{Code::conflict, "a root file system of " + std::to_string(paths.size()) + " layers is more than this kernel can mount"}
          .with_hint("delete snapshots that are not needed");
    return text;
  }
  bool numbers() const noexcept { return numbers_; }

 private:
  std::string number(const std::string& path) {
    held_.push_back(open_directory(path));
    return std::to_string(held_.back().get());
  }
  std::vector<unique_fd> held_;
  bool numbers_ = false;
};

// Relative names of the numbers need a working directory, which only a thread of its own can have without the others.
void in_descriptor_directory(const std::function<void()>& work) {
  std::exception_ptr failure;
  std::thread other([&] {
    try {
      if (::unshare(CLONE_FS) != 0) throw errno_error("unshare");
      if (::chdir("/proc/self/fd") != 0) throw errno_error("chdir", "/proc/self/fd");
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  other.join();
  if (failure) std::rethrow_exception(failure);
}

using Options = std::vector<std::pair<const char*, std::string>>;

[[noreturn]] void fail(int fs, int number, const char* call, const std::string& what) {
  const std::string words = context_messages(fs);
  throw errno_error(number, call, words.empty() ? what : what + ": " + words);
}

unique_fd mounted(const Options& options, const std::string& what) {
  const unique_fd fs{::fsopen("overlay", FSOPEN_CLOEXEC)};
  if (!fs && (errno == ENODEV || errno == ENOSYS))
    throw Error{Code::unsupported, "this kernel has no overlayfs"}.with_errno(errno, "fsopen").with_hint("modprobe overlay");
  if (!fs) throw errno_error("fsopen", "overlay");
  for (const auto& [key, value] : options)
    if (::fsconfig(fs.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) != 0) fail(fs.get(), errno, "fsconfig", what);
  if (::fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) fail(fs.get(), errno, "fsconfig", what);
  unique_fd made{::fsmount(fs.get(), FSMOUNT_CLOEXEC, 0)};
  if (!made) fail(fs.get(), errno, "fsmount", what);
  return made;
}

unique_fd mount(std::vector<std::string> lowers, const std::string* directory) {
  Paths paths;
  std::string what = "overlay of " + lowers.back();
  if (lowers.size() > 1) what += " and " + std::to_string(lowers.size() - 1) + " layers";
  Options options{{"source", "overlay"}, {"redirect_dir", "off"}, {"index", "off"}, {"metacopy", "off"}, {"lowerdir", paths.many(lowers)}};
  if (directory) {
    what += " for " + *directory;
    options.emplace_back("upperdir", paths.one(*directory + "/upper"));
    options.emplace_back("workdir", paths.one(*directory + "/work"));
  }
  if (!paths.numbers()) return mounted(options, what);
  unique_fd made;
  in_descriptor_directory([&] { made = mounted(options, what); });
  return made;
}

}  // namespace

unique_fd mount_overlay(const RootfsLayers& layers) {
  std::vector<std::string> lowers = layers.layers;
  lowers.push_back(layers.lower);
  return mount(std::move(lowers), &layers.directory);
}

unique_fd mount_read_only(const std::string& lower, const std::vector<std::string>& layers) {
  // overlayfs wants two lower directories at least where there is no upper one.
  if (layers.empty()) {
    unique_fd clone{::open_tree(AT_FDCWD, lower.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)};
    if (!clone) throw errno_error("open_tree", lower);
    return clone;
  }
  std::vector<std::string> lowers = layers;
  lowers.push_back(lower);
  return mount(std::move(lowers), nullptr);
}

}  // namespace sovirt::rootfs
