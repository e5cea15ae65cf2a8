#include "daemon/kernel/image/workspace.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/kernel/mount/remove_tree.hpp"

namespace sovirt::image {

std::string random_suffix() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) throw errno_error("getrandom");
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(number));
  return text.data();
}

void make_directories(const std::string& path, unsigned mode) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string so_far = path.substr(0, slash);
    if (::mkdir(so_far.c_str(), mode) != 0 && errno != EEXIST) throw errno_error("mkdir", so_far);
    if (slash == std::string::npos) return;
  }
}

Workspace::Workspace(const std::string& temp_dir) {
  make_directories(temp_dir, 0700);
  // Nobody else on the host may reach setuid files of a half-made root.
  const std::string path = temp_dir + "/" + workspace_prefix + random_suffix();
  if (::mkdir(path.c_str(), 0700) != 0) throw errno_error("mkdir", path);
  path_ = path;
  for (const auto& [name, mode] : {std::pair{image(), 0700}, {rootfs(), 0755}}) {
    if (::mkdir(name.c_str(), static_cast<mode_t>(mode)) != 0 || ::chmod(name.c_str(), static_cast<mode_t>(mode)) != 0)
      throw errno_error("mkdir", name);
  }
  root_.reset(::open(rootfs().c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root_) throw errno_error("open", rootfs());
}

Workspace::~Workspace() {
  // What a killed process was writing may appear for a moment still. What then stays is the next start's to collect.
  for (int attempt = 0; attempt < 5; ++attempt) {
    try {
      rootfs::remove_tree(path_);
      return;
    } catch (const std::exception&) {
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
  }
}

}  // namespace sovirt::image
