#include "daemon/kernel/mount/overlay_root_filesystems.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "daemon/base/default_path.hpp"
#include "daemon/base/error.hpp"
#include "daemon/base/failpoint.hpp"
#include "daemon/kernel/mount/init_program.hpp"
#include "daemon/kernel/mount/overlay_mount.hpp"
#include "daemon/kernel/mount/program_files.hpp"
#include "daemon/kernel/mount/remove_tree.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt {
namespace {


void make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) throw errno_error("mkdir", path);
}

std::string random_name() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) throw errno_error("getrandom");
  std::array<char, 40> name{};
  std::snprintf(name.data(), name.size(), ".sovirt-%016llx", static_cast<unsigned long long>(number));
  return name.data();
}

bool already_so(int parent, const std::string& name, const struct stat& facts, const RootfsFile& file) {
  if (!S_ISREG(facts.st_mode) || (facts.st_mode & 07777) != file.mode) return false;
  if (facts.st_size != static_cast<off_t>(file.content.size())) return false;
  const unique_fd opened{::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  std::string content;
  return opened && rootfs::read_file(opened.get(), file.content.size(), content) && content == file.content;
}

void write_whole(int fd, const std::string& content, const std::string& path) {
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t count = ::write(fd, content.data() + done, content.size() - done);
    if (count < 0 && errno != EINTR) throw errno_error("write", path);
    if (count > 0) done += static_cast<std::size_t>(count);
  }
}

// A new file under another name, then renamed over whatever is there: a link is replaced and never followed, and a
// reader sees the old file or the new one.
void replace(int parent, const std::string& name, const RootfsFile& file) {
  const std::string temporary = random_name();
  const unique_fd fresh{::openat(parent, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!fresh) throw errno_error("openat", file.path);
  try {
    write_whole(fresh.get(), file.content, file.path);
    if (::fchmod(fresh.get(), file.mode) != 0) throw errno_error("fchmod", file.path);
    if (::renameat(parent, temporary.c_str(), parent, name.c_str()) != 0) {
      if (errno == EISDIR) throw Error{Code::conflict, file.path + " is a directory in the root file system"};
      throw errno_error("renameat", file.path);
    }
  } catch (...) {
    ::unlinkat(parent, temporary.c_str(), 0);
    throw;
  }
}

void write_file(int root, const RootfsFile& file) {
  const std::string path = rootfs::tidy(file.path), name{rootfs::base_name(path)};
  if (name.empty() || name == "..") throw Error{Code::invalid, "\"" + file.path + "\" does not name a file"};
  const unique_fd parent = rootfs::make_parents(root, path);
  struct stat facts{};
  if (::fstatat(parent.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0) {
    if (file.keep_existing || already_so(parent.get(), name, facts, file)) return;
  } else if (errno != ENOENT) {
    throw errno_error("fstatat", file.path);
  }
  replace(parent.get(), name, file);
}

class OverlayRootFilesystems final : public RootFilesystems {
 public:
  void create(const RootfsLayers& layers) override {
    struct stat root{};
    const std::string& below = layers.layers.empty() ? layers.lower : layers.layers.front();
    if (::stat(below.c_str(), &root) != 0) throw errno_error("stat", below);
    make_directory(layers.directory, 0700);
    failpoint::reach("rootfs.create.upper");
    const std::string upper = layers.directory + "/upper";
    make_directory(upper, 0700);
    make_directory(layers.directory + "/work", 0700);
    // The mount shows the upper directory's owner and mode as those of "/".
    if (::chown(upper.c_str(), root.st_uid, root.st_gid) != 0) throw errno_error("chown", upper);
    if (::chmod(upper.c_str(), root.st_mode & 07777) != 0) throw errno_error("chmod", upper);
  }

  bool remove(const std::string& directory) override { return rootfs::remove_tree(directory); }
  bool move(const std::string& directory, const std::string& to) override {
    std::filesystem::create_directories(std::filesystem::path(to).parent_path());
    if (::rename(directory.c_str(), to.c_str()) == 0) return true;
    if (errno != ENOENT) throw errno_error("rename", directory);
    return ::access(to.c_str(), F_OK) == 0;
  }

  std::vector<std::string> directories(const std::string& parent) override {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> open{::opendir(parent.c_str()), [](DIR* one) { return ::closedir(one); }};
    if (!open && errno == ENOENT) return names;
    if (!open) throw errno_error("opendir", parent);
    while (const dirent* entry = ::readdir(open.get())) {
      const std::string_view name = entry->d_name;
      struct stat facts{};
      if (name == "." || name == "..") continue;
      if (::fstatat(::dirfd(open.get()), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(facts.st_mode))
        names.emplace_back(name);
    }
    return names;
  }

  unique_fd mount(const RootfsLayers& layers) override { return layers.directory.empty() ? rootfs::mount_read_only(layers.lower, layers.layers) : rootfs::mount_overlay(layers); }

  void write(int root, const std::vector<RootfsFile>& files) override {
    for (const RootfsFile& file : files) write_file(root, file);
  }

  std::optional<std::string> missing_for(int root, std::string_view command, std::string_view path_variable) override {
    const auto path = resolve(root, command, path_variable);
    if (path) return rootfs::program_files(root, *path, rootfs::LibraryOrder::any, cache_).missing;
    return std::string(command) + " is not in the root file system (PATH is " +
           std::string(path_variable.empty() ? default_path : path_variable) + ")";
  }

  std::optional<std::string> find_init(int root) override { return rootfs::find_init(root); }

  int shutdown_signal(int root, std::string_view command) override {
    const auto path = resolve(root, command, default_path);
    return rootfs::shutdown_signal(root, path.value_or("/"));
  }

 private:
  // A command with a slash is its own path, as for execvp(3); a relative one is taken from the root.
  static std::optional<std::string> resolve(int root, std::string_view command, std::string_view path_variable) {
    if (command.find('/') != std::string_view::npos) return rootfs::tidy(command);
    if (command.empty()) return std::nullopt;
    return rootfs::find_command(root, command, path_variable.empty() ? default_path : path_variable);
  }

  rootfs::ElfCache cache_;
};

}  // namespace

std::unique_ptr<RootFilesystems> make_root_filesystems() { return std::make_unique<OverlayRootFilesystems>(); }

}  // namespace sovirt
