#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "daemon/base/error.hpp"
#include "tests/kernel/mount/temporary_tree.hpp"

namespace sovirt::test {
namespace {

using RemoveTest = TreeTest;

bool set_flags(const std::string& path, int more) {
  const unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  int flags = 0;
  if (!file || ::ioctl(file.get(), FS_IOC_GETFLAGS, &flags) != 0) return false;
  flags |= more;
  return ::ioctl(file.get(), FS_IOC_SETFLAGS, &flags) == 0;
}

TEST_F(RemoveTest, AContainerThatHasRunIsRemovedWhole) {
  {
    const unique_fd root = mount();
    rootfs_->write(root.get(), {{"/etc/hosts", "x", 0644, false}});
  }
  ASSERT_TRUE(fs::exists(layers().directory + "/work/work"));  // mode 000, made by overlayfs
  EXPECT_TRUE(rootfs_->remove(layers().directory));
  EXPECT_FALSE(fs::exists(layers().directory));
  EXPECT_FALSE(rootfs_->remove(layers().directory));
  EXPECT_FALSE(rootfs_->remove(top() + "/no/such"));
}

TEST_F(RemoveTest, LinksAreRemovedAndNotFollowed) {
  write_text(top() + "/outside/kept", "1");
  fs::create_directories(layers().directory);
  fs::create_symlink(top() + "/outside", layers().directory + "/link");
  fs::create_symlink("/nowhere", layers().directory + "/dangling");
  ASSERT_EQ(::mkfifo((layers().directory + "/fifo").c_str(), 0600), 0);
  EXPECT_TRUE(rootfs_->remove(layers().directory));
  EXPECT_EQ(read_text(top() + "/outside/kept"), "1");
  fs::create_symlink(top() + "/outside", top() + "/asked");
  EXPECT_THROW(rootfs_->remove(top() + "/asked"), Error);
  EXPECT_EQ(read_text(top() + "/outside/kept"), "1");
}

TEST_F(RemoveTest, AMountInsideIsLeftAloneAndNamed) {
  fs::create_directories(layers().directory + "/upper/mnt");
  write_text(top() + "/outside/kept", "1");
  const pid_t child = ::fork();  // the mount is seen by this child alone
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(10);
    const std::string at = layers().directory + "/upper/mnt";
    if (::mount((top() + "/outside").c_str(), at.c_str(), nullptr, MS_BIND, nullptr) != 0) ::_exit(11);
    try {
      rootfs_->remove(layers().directory);
      ::_exit(12);
    } catch (const Error& error) {
      ::_exit(error.code() == Code::conflict && error.detail().find("upper/mnt") != std::string::npos ? 0 : 13);
    }
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_text(top() + "/outside/kept"), "1");
}

TEST_F(RemoveTest, ImmutableFilesAndDirectoriesAreRemoved) {
  const std::string at = layers().directory + "/upper";
  write_text(at + "/locked/file", "1");
  write_text(at + "/append", "1");
  if (!set_flags(at + "/locked/file", FS_IMMUTABLE_FL)) GTEST_SKIP() << "this file system keeps no immutable attribute";
  ASSERT_TRUE(set_flags(at + "/append", FS_APPEND_FL));
  ASSERT_TRUE(set_flags(at + "/locked", FS_IMMUTABLE_FL));
  EXPECT_TRUE(rootfs_->remove(layers().directory));
  EXPECT_FALSE(fs::exists(layers().directory));
}

TEST_F(RemoveTest, ADeepTreeNeedsFewDescriptors) {
  fs::create_directories(layers().directory);
  unique_fd at{::open(layers().directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  for (int depth = 0; depth < 600; ++depth) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0700), 0);
    at.reset(::openat(at.get(), "d", O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(at);
  }
  EXPECT_TRUE(rootfs_->remove(layers().directory));
  EXPECT_FALSE(fs::exists(layers().directory));
}

TEST_F(RemoveTest, ADirectoryLargerThanABatchIsEmptied) {
  fs::create_directories(layers().directory + "/many");
  for (int i = 0; i < 9000; ++i) {
    const unique_fd file{::open((layers().directory + "/many/" + std::to_string(i)).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
    ASSERT_TRUE(file);
  }
  EXPECT_TRUE(rootfs_->remove(layers().directory));
  EXPECT_FALSE(fs::exists(layers().directory));
}

}  // namespace
}  // namespace sovirt::test
