#include "daemon/kernel/files/kernel_file_access.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "daemon/kernel/files/places.hpp"
#include "daemon/kernel/files/regular_file.hpp"
#include "daemon/kernel/files/tree_source.hpp"
#include "daemon/kernel/mount/remove_tree.hpp"
#include "daemon/kernel/mount/root_path.hpp"
#include "daemon/launcher/process_file.hpp"

namespace sovirt {
namespace {

using namespace files;

FileFacts entry_facts(int directory, const std::string& name) {
  struct stat status{};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return {};   // gone meanwhile: no type
  FileFacts facts = facts_of(status, name);
  if (!S_ISLNK(status.st_mode)) return facts;
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  facts.target = target.substr(0, length > 0 ? static_cast<std::size_t>(length) : 0);
  return facts;
}

// The `most` first names beyond `after`, whatever the size of the directory.
std::vector<std::string> names_beyond(DIR* open, const std::string& after, std::size_t most) {
  std::vector<std::string> names;   // a heap, the last name on top
  while (const dirent* entry = ::readdir(open)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || name <= after) continue;
    if (names.size() == most) {
      if (name >= names.front()) continue;
      std::pop_heap(names.begin(), names.end());
      names.pop_back();
    }
    names.emplace_back(name);
    std::push_heap(names.begin(), names.end());
  }
  std::sort_heap(names.begin(), names.end());
  return names;
}

class KernelFileAccess final : public FileAccess {
 public:
  unique_fd root_of(const ProcessId& init) override {
    const unique_fd process = launch::open_process(init.pid, init.start_ticks);
    unique_fd root{process ? ::open(("/proc/" + std::to_string(init.pid) + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1};
    // The pid may have become another's between the two.
    if (!root || !launch::open_process(init.pid, init.start_ticks)) throw Error{Code::conflict, "the container has just ended"};
    return root;
  }

  FileFacts look(int root, const std::string& path) override {
    const unique_fd found = find(root, path);
    return facts_of(stat_of(found.get(), path), std::string{rootfs::base_name(rootfs::tidy(path))});
  }

  std::vector<FileFacts> list(int root, const std::string& path, const std::string& after, std::size_t most) override {
    const unique_fd found = find_directory(root, path);
    unique_fd readable{::openat(found.get(), ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC)};
    if (!readable) throw file_error(errno, "openat", path);
    const std::unique_ptr<DIR, int (*)(DIR*)> open{::fdopendir(readable.get()), [](DIR* one) { return ::closedir(one); }};
    if (!open) throw file_error(errno, "fdopendir", path);
    readable.release();
    std::vector<FileFacts> all;
    for (const std::string& name : names_beyond(open.get(), after, most))
      if (FileFacts facts = entry_facts(found.get(), name); !facts.type.empty()) all.push_back(std::move(facts));
    return all;
  }

  std::unique_ptr<ByteSource> read(int root, const std::string& path, FileFacts& facts) override {
    const unique_fd found = find(root, path);
    const struct stat status = stat_of(found.get(), path);
    facts = facts_of(status, std::string{rootfs::base_name(rootfs::tidy(path))});
    return read_file(open_file(found.get(), status, path), path);
  }

  std::unique_ptr<ByteSource> read_tree(int root, const std::string& path) override {
    return files::read_tree(find(root, path), rootfs::tidy(path));
  }

  std::unique_ptr<ByteTarget> write(int root, const std::string& path, const FileAttributes& wanted) override {
    return write_file(root, path, wanted);
  }

  std::unique_ptr<ByteTarget> write_tree(int root, const std::string& path, bool make) override {
    if (make) place_of(root, path + "/x", true);
    return files::write_tree(find_directory(root, path), path);
  }

  void remove(int root, const std::string& path, bool recursive) override {
    const Place place = place_of(root, path, false);
    refuse_mount_point(place, path);
    if (::unlinkat(place.parent.get(), place.name.c_str(), 0) == 0) return;
    if (errno != EISDIR) throw file_error(errno, "unlinkat", path);
    if (::unlinkat(place.parent.get(), place.name.c_str(), AT_REMOVEDIR) == 0) return;
    if (errno != ENOTEMPTY && errno != EEXIST) throw file_error(errno, "unlinkat", path);
    if (!recursive)
      throw Error{Code::conflict, path + " is a directory that has something in it"}.with_hint("?recursive=true removes it with all of it");
    rootfs::remove_tree_at(place.parent.get(), place.name);
  }
};

}  // namespace

std::unique_ptr<FileAccess> make_file_access() { return std::make_unique<KernelFileAccess>(); }

}  // namespace sovirt
