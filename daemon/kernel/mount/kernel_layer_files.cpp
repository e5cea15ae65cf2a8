#include "daemon/kernel/mount/kernel_layer_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>

#include "daemon/base/error.hpp"
#include "daemon/base/failpoint.hpp"
#include "daemon/kernel/mount/disk_usage.hpp"
#include "daemon/kernel/mount/layer_merge.hpp"
#include "daemon/kernel/mount/new_identity.hpp"
#include "daemon/kernel/mount/remove_tree.hpp"
#include "daemon/kernel/mount/tree_copy.hpp"

namespace sovirt {
namespace {

std::string upper_of(const std::string& directory) { return directory + "/upper"; }

unique_fd open_directory(const std::string& path) {
  unique_fd opened{::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!opened) throw errno_error("open", path);
  return opened;
}

void make_parent(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path();
  if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) throw errno_error("mkdir", parent);
}

bool exists(const std::string& path) noexcept { return ::access(path.c_str(), F_OK) == 0; }

bool is_empty(const std::string& path) {
  std::error_code error;
  const bool empty = std::filesystem::is_empty(path, error);
  if (error) throw errno_error(error.value(), "readdir", path);
  return empty;
}

struct stat facts_of(const std::string& path) {
  struct stat facts{};
  if (::lstat(path.c_str(), &facts) != 0) throw errno_error("lstat", path);
  return facts;
}

// "/" of the container shows the owner, mode and attributes of the upper directory: a fresh one has those of `like`.
// overlayfs's own marks on that say things of the directory itself.
void fresh_upper(const std::string& directory, const std::string& like) {
  const std::string upper = upper_of(directory);
  if (::mkdir(upper.c_str(), 0700) != 0 && errno != EEXIST) throw errno_error("mkdir", upper);
  const struct stat facts = facts_of(like);
  if (::chown(upper.c_str(), facts.st_uid, facts.st_gid) != 0) throw errno_error("chown", upper);
  if (::chmod(upper.c_str(), facts.st_mode & 07777) != 0) throw errno_error("chmod", upper);
  const unique_fd from = open_directory(like), to = open_directory(upper);
  rootfs::copy_attributes(from.get(), "", to.get(), "", [](std::string_view name) { return !name.starts_with("trusted.overlay."); });
}

// Out of the way of a fresh one; once that is there, it was so already.
void move_upper(const std::string& directory, const std::string& to) {
  make_parent(to);
  if (exists(to)) return;
  if (::rename(upper_of(directory).c_str(), to.c_str()) != 0) throw errno_error("rename", upper_of(directory));
}

// A directory takes the place of an empty one in one step; anything in it is somebody's, and stays.
void move_back(const std::string& directory, const std::string& from) {
  if (!exists(from)) return;
  if (::rename(from.c_str(), upper_of(directory).c_str()) != 0) throw errno_error("rename", from);
}

// Built under another name, so that a layer is there whole or not at all.
template <class Build>
void build(const std::string& layer, Build&& fill) {
  if (exists(layer)) return;
  make_parent(layer);
  const std::string part = layer + ".part";
  rootfs::remove_tree(part);
  try {
    if (::mkdir(part.c_str(), 0700) != 0) throw errno_error("mkdir", part);
    const unique_fd into = open_directory(part);
    fill(into.get());
    failpoint::reach("layer.build.filled");
    const unique_fd synced{::open(part.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    // A name that the database holds must not outlive a power cut that its contents did not.
    if (!synced || ::syncfs(synced.get()) != 0) throw errno_error("syncfs", part);
    if (::rename(part.c_str(), layer.c_str()) != 0) throw errno_error("rename", part);
  } catch (...) {
    rootfs::remove_tree(part);
    throw;
  }
}

class KernelLayerFiles final : public LayerFiles {
 public:
  void freeze(const std::string& directory, const std::string& layer) override {
    move_upper(directory, layer);
    failpoint::reach("layer.freeze.renamed");
    fresh_upper(directory, layer);
  }
  void unfreeze(const std::string& directory, const std::string& layer) override { move_back(directory, layer); }

  bool unchanged(const std::string& directory, const std::string& below) override {
    const struct stat is = facts_of(upper_of(directory)), was = facts_of(below);
    return is.st_mode == was.st_mode && is.st_uid == was.st_uid && is.st_gid == was.st_gid && is_empty(upper_of(directory));
  }

  void reset(const std::string& directory, const std::string& below, const std::string& aside) override {
    move_upper(directory, aside);
    failpoint::reach("layer.reset.renamed");
    fresh_upper(directory, below);
  }
  void take_back(const std::string& directory, const std::string& aside) override { move_back(directory, aside); }

  void copy(const std::string& source, const std::string& layer, std::stop_token stop,
            const std::function<void(std::uint64_t)>& progress) override {
    build(layer, [&](int into) {
      const unique_fd from = open_directory(source);
      rootfs::TreeCopy copy{from.get(), into, rootfs::Content::copied, stop, &progress};
      copy.directory("");
      copy.children("");
      copy.finish();
    });
  }

  void merge(const std::string& upper, const std::string& lower, const std::string& into) override {
    build(into, [&](int made) {
      const unique_fd above = open_directory(upper), below = open_directory(lower);
      rootfs::merge_layers(above.get(), below.get(), made);
    });
  }

  bool remove(const std::string& layer) override {
    // First another name: half a layer must not look like one.
    const std::string gone = layer + ".gone";
    if (::rename(layer.c_str(), gone.c_str()) != 0 && errno != ENOENT) throw errno_error("rename", layer);
    return rootfs::remove_tree(gone);
  }

  std::uint64_t size(const std::string& layer) override { return rootfs::disk_usage(layer); }
  bool has_identity(const std::string& path) override { return rootfs::has_identity(open_directory(path).get()); }
  void new_identity(int root) override { rootfs::new_identity(root); }
};

}  // namespace

std::unique_ptr<LayerFiles> make_layer_files() { return std::make_unique<KernelLayerFiles>(); }

}  // namespace sovirt
