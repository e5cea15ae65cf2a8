#include "daemon/kernel/image/binaries.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/image/file_copier.hpp"
#include "daemon/kernel/mount/program_files.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::image {
namespace {

// "… is not in the root file system" is said of an image; here the root is this host's.
std::string of_this_host(std::string text) {
  constexpr std::string_view image = " in the root file system";
  if (const std::size_t at = text.find(image); at != std::string::npos) text.replace(at, image.size(), " on this host");
  return text;
}

std::vector<std::string> resolve(const BinariesSource& source) {
  if (source.binaries.empty() && source.files.empty())
    throw field_error("/source/binaries", "required", "needs at least one program or file");
  const unique_fd host{::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!host) throw errno_error("open", "/");
  std::vector<std::string> paths;
  rootfs::ElfCache cache;
  for (std::size_t i = 0; i < source.binaries.size(); ++i) {
    rootfs::ProgramFiles files = rootfs::program_files(host.get(), source.binaries[i], rootfs::LibraryOrder::as_linked, cache);
    if (files.missing) throw field_error("/source/binaries/" + std::to_string(i), "unusable", of_this_host(*files.missing));
    paths.insert(paths.end(), files.paths.begin(), files.paths.end());
  }
  for (std::size_t i = 0; i < source.files.size(); ++i) {
    struct stat facts{};
    if (::stat(source.files[i].c_str(), &facts) != 0)
      throw field_error("/source/files/" + std::to_string(i), "absent", source.files[i] + " is not on this host");
    paths.push_back(source.files[i]);
  }
  return paths;
}

// What every process expects and a start would otherwise have to make: mount points, and a place to be at home.
void add_places(int root) {
  for (const auto& [name, mode] : {std::pair<const char*, mode_t>{"dev", 0755}, {"proc", 0555}, {"sys", 0555}, {"run", 0755},
                                   {"tmp", 01777}, {"etc", 0755}, {"root", 0700}}) {
    if (::mkdirat(root, name, mode) != 0 && errno == EEXIST) continue;
    if (::fchmodat(root, name, mode, 0) != 0) throw errno_error("mkdirat", name);
  }
}

}  // namespace

void check_binaries(const BinariesSource& source) { resolve(source); }

void build_binaries(const BinariesSource& source, const Workspace& work, ProgressMeter& meter) {
  const std::vector<std::string> paths = resolve(source);
  FileCopier copier{work.root(), meter};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    meter.show_part(0, 90, i, paths.size(), "copying " + paths[i]);
    copier.copy(paths[i]);
  }
  add_places(work.root());
}

}  // namespace sovirt::image
