#pragma once
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "daemon/domain/ports/root_filesystems.hpp"
#include "daemon/kernel/mount/overlay_root_filesystems.hpp"
#include "daemon/kernel/mount/program_files.hpp"
#include "daemon/kernel/mount/remove_tree.hpp"

#include <fcntl.h>

namespace sovirt::test {

namespace fs = std::filesystem;

inline std::string read_text(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_text(const fs::path& path, const std::string& text, mode_t mode = 0644) {
  fs::create_directories(path.parent_path());
  std::ofstream{path, std::ios::binary} << text;
  ::chmod(path.c_str(), mode);
}

// A root file system with the host's bash in it, an empty container directory, and a detached mount of the two.
class TreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    char name[] = "/var/tmp/sovirt-test-mount-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    ::chmod(name, 0755);
    fs::create_directories(lower());
    ::chmod(lower().c_str(), 0755);
    copy_program("/bin/bash");
  }

  void TearDown() override {
    if (!top_.empty()) rootfs::remove_tree(top_);
  }

  // With everything ldd would list, at the same paths, links replaced by what they point to.
  void copy_program(const std::string& path) {
    const unique_fd host{::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    rootfs::ElfCache cache;
    const rootfs::ProgramFiles files = rootfs::program_files(host.get(), path, rootfs::LibraryOrder::as_linked, cache);
    ASSERT_FALSE(files.missing) << *files.missing;
    for (const std::string& one : files.paths) {
      const fs::path target = lower() + one;
      fs::create_directories(target.parent_path());
      fs::copy_file(one, target, fs::copy_options::overwrite_existing);
    }
  }

  std::string top() const { return top_; }
  std::string lower() const { return top_ + "/image"; }
  RootfsLayers layers() const { return {lower(), top_ + "/container"}; }
  unique_fd open_lower() const { return unique_fd{::open(lower().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)}; }
  unique_fd mount() {
    rootfs_->create(layers());
    return rootfs_->mount(layers());
  }

  std::unique_ptr<RootFilesystems> rootfs_ = make_root_filesystems();

 private:
  std::string top_;
};

}  // namespace sovirt::test
