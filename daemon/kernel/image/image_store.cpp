#include "daemon/kernel/image/image_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>

#include "daemon/base/error.hpp"
#include "daemon/base/failpoint.hpp"
#include "daemon/kernel/mount/remove_tree.hpp"

namespace sovirt::image {
namespace {

bool is_hex(std::string_view text) noexcept {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string hex_of(const std::string& digest) {
  const std::string hex = digest.starts_with("sha256:") ? digest.substr(7) : digest;
  if (!is_hex(hex)) throw Error{Code::invalid, "\"" + digest + "\" is not the digest of an image"};
  return hex;
}

std::vector<std::string> names_in(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open{::opendir(path.c_str()), [](DIR* one) { return one ? ::closedir(one) : 0; }};
  std::vector<std::string> names;
  if (!open && errno == ENOENT) return names;
  if (!open) throw errno_error("opendir", path);
  while (const dirent* entry = ::readdir(open.get())) names.emplace_back(entry->d_name);
  return names;
}

unique_fd open_directory(const std::string& path) {
  unique_fd fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd) throw errno_error("open", path);
  return fd;
}

}  // namespace

ImageStore::ImageStore(std::string images_dir, std::string temp_dir) : images_dir_(std::move(images_dir)), temp_dir_(std::move(temp_dir)) {}

std::string ImageStore::publish(const Workspace& work, const std::string& hex) const {
  make_directories(images_dir_, 0700);
  const std::string target = images_dir_ + "/" + hex_of(hex);
  const unique_fd images = open_directory(images_dir_);
  // All of the tree before the name that promises it: a name must not outlive a power cut that its contents did not.
  if (::syncfs(images.get()) != 0) throw errno_error("syncfs", images_dir_);
  failpoint::reach("image.publish.rename");
  if (::renameat2(AT_FDCWD, work.image().c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0 && errno != EEXIST)
    throw errno_error("renameat2", target);
  if (::fsync(images.get()) != 0) throw errno_error("fsync", images_dir_);
  failpoint::reach("image.publish.done");
  return target + "/rootfs";
}

bool ImageStore::remove(const std::string& digest) const {
  const std::string hex = hex_of(digest);
  make_directories(temp_dir_, 0700);
  const std::string aside = temp_dir_ + "/" + removal_prefix + random_suffix();
  // First out of sight, so that no killed removal leaves half an image.
  if (::rename((images_dir_ + "/" + hex).c_str(), aside.c_str()) != 0) {
    if (errno == ENOENT) return false;
    throw errno_error("rename", images_dir_ + "/" + hex);
  }
  failpoint::reach("image.remove.renamed");
  rootfs::remove_tree(aside);
  return true;
}

void ImageStore::collect_temporary() const {
  std::optional<Error> first;
  for (const std::string& name : names_in(temp_dir_)) {
    if (!name.starts_with(workspace_prefix) && !name.starts_with(removal_prefix)) continue;
    try {
      rootfs::remove_tree(temp_dir_ + "/" + name);
    } catch (const Error& error) {
      if (!first) first = error;
    }
  }
  if (first) throw *first;
}

void ImageStore::collect(const std::vector<std::string>& digests_in_use) const {
  std::vector<std::string> used;
  for (const std::string& digest : digests_in_use) used.push_back(hex_of(digest));
  std::optional<Error> first;
  for (const std::string& name : names_in(images_dir_)) {
    if (!is_hex(name) || std::find(used.begin(), used.end(), name) != used.end()) continue;
    try {
      remove(name);
    } catch (const Error& error) {
      if (!first) first = error;
    }
  }
  collect_temporary();
  if (first) throw *first;
}

}  // namespace sovirt::image
