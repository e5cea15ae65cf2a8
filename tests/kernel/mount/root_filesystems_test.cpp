#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <linux/magic.h>

#include "daemon/base/error.hpp"
#include "tests/kernel/mount/temporary_tree.hpp"

namespace sovirt::test {
namespace {

using RootFilesystemsTest = TreeTest;

std::string text_in(int root, const char* path) {
  return read_text("/proc/self/fd/" + std::to_string(root) + "/" + path);
}

TEST_F(RootFilesystemsTest, MountIsAnOverlayThatNoMountTableShows) {
  const std::string before = read_text("/proc/self/mountinfo");
  const unique_fd root = mount();
  ASSERT_TRUE(root);
  EXPECT_EQ(read_text("/proc/self/mountinfo"), before);
  EXPECT_EQ(before.find(top()), std::string::npos);
  struct statfs facts{};
  ASSERT_EQ(::fstatfs(root.get(), &facts), 0);
  EXPECT_EQ(facts.f_type, OVERLAYFS_SUPER_MAGIC);
  EXPECT_NE(::fcntl(root.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(RootFilesystemsTest, WhatIsWrittenLandsInUpperAndNeverInTheImage) {
  const unique_fd root = mount();
  rootfs_->write(root.get(), {{"/etc/hosts", "127.0.0.1 localhost\n", 0644, false}});
  EXPECT_EQ(read_text(layers().directory + "/upper/etc/hosts"), "127.0.0.1 localhost\n");
  EXPECT_FALSE(fs::exists(lower() + "/etc/hosts"));
}

TEST_F(RootFilesystemsTest, TheRootHasTheImagesOwnerAndMode) {
  ASSERT_EQ(::chmod(lower().c_str(), 0751), 0);
  ASSERT_EQ(::chown(lower().c_str(), 12, 34), 0);
  const unique_fd root = mount();
  struct stat facts{};
  ASSERT_EQ(::fstat(root.get(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0751u);
  EXPECT_EQ(facts.st_uid, 12u);
  EXPECT_EQ(facts.st_gid, 34u);
}

TEST_F(RootFilesystemsTest, PathsWithColonsCommasAndBackslashesMount) {
  const std::string odd = top() + "/a:b,c\\d=e";
  fs::create_directories(odd);
  fs::rename(lower(), odd + "/image");
  write_text(odd + "/image/etc/mark", "here");
  const RootfsLayers layers{odd + "/image", odd + "/con:tainer"};
  rootfs_->create(layers);
  const unique_fd root = rootfs_->mount(layers);
  EXPECT_EQ(text_in(root.get(), "etc/mark"), "here");
  rootfs_->write(root.get(), {{"/new", "x", 0644, false}});
  EXPECT_EQ(read_text(odd + "/con:tainer/upper/new"), "x");
}

TEST_F(RootFilesystemsTest, CreateTwiceIsFineAndDirectoriesListsIt) {
  rootfs_->create(layers());
  write_text(layers().directory + "/upper/kept", "1");
  rootfs_->create(layers());
  EXPECT_EQ(read_text(layers().directory + "/upper/kept"), "1");
  auto names = rootfs_->directories(top());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"container", "image"}));
  EXPECT_TRUE(rootfs_->directories(top() + "/nowhere").empty());
}

TEST_F(RootFilesystemsTest, MountOfAnAbsentImageSaysWhichAndWhy) {
  RootfsLayers wrong = layers();
  rootfs_->create(layers());
  wrong.lower += "-gone";
  try {
    const unique_fd root = rootfs_->mount(wrong);
    FAIL() << "mounted";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), ENOENT);
    EXPECT_NE(error.detail().find(wrong.lower), std::string::npos) << error.detail();
  }
}

TEST_F(RootFilesystemsTest, WriteReplacesADanglingLinkByTheFile) {
  fs::create_directories(lower() + "/etc");
  fs::create_symlink("../run/systemd/resolve/stub-resolv.conf", lower() + "/etc/resolv.conf");
  const unique_fd root = mount();
  rootfs_->write(root.get(), {{"/etc/resolv.conf", "nameserver 10.0.0.1\n", 0644, false}});
  struct stat facts{};
  ASSERT_EQ(::fstatat(root.get(), "etc/resolv.conf", &facts, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_TRUE(S_ISREG(facts.st_mode));
  EXPECT_EQ(text_in(root.get(), "etc/resolv.conf"), "nameserver 10.0.0.1\n");
}

TEST_F(RootFilesystemsTest, WriteNeverLeavesTheRootByALinkedDirectory) {
  const std::string outside = top() + "/outside";
  fs::create_directories(outside);
  fs::create_directories(lower());
  fs::create_symlink(outside, lower() + "/etc");
  fs::create_symlink("../../../../../../../.." + outside, lower() + "/opt");
  const unique_fd root = mount();
  // Inside the root the links point to a path that is not there: made there, or refused, but never outside.
  for (const char* path : {"/etc/passwd", "/opt/x"}) {
    try {
      rootfs_->write(root.get(), {{path, "evil", 0644, false}});
    } catch (const Error&) {
    }
  }
  EXPECT_TRUE(fs::is_empty(outside));
}

TEST_F(RootFilesystemsTest, WriteFollowsDirectoryLinksInsideTheRoot) {
  fs::create_directories(lower() + "/usr/etc");
  fs::create_symlink("/usr/etc", lower() + "/etc");
  const unique_fd root = mount();
  rootfs_->write(root.get(), {{"/etc/a/b/c", "deep", 0600, false}});
  EXPECT_EQ(text_in(root.get(), "usr/etc/a/b/c"), "deep");
  struct stat facts{};
  ASSERT_EQ(::fstatat(root.get(), "usr/etc/a/b/c", &facts, 0), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
}

TEST_F(RootFilesystemsTest, WriteOfTheSameContentTouchesNothing) {
  write_text(lower() + "/etc/hostname", "web\n");
  const unique_fd root = mount();
  rootfs_->write(root.get(), {{"/etc/hostname", "web\n", 0644, false}});
  EXPECT_FALSE(fs::exists(layers().directory + "/upper/etc"));  // nothing was copied up
  rootfs_->write(root.get(), {{"/etc/hostname", "wes\n", 0644, false}});
  EXPECT_EQ(read_text(layers().directory + "/upper/etc/hostname"), "wes\n");
}

TEST_F(RootFilesystemsTest, KeepExistingKeepsFilesAndLinks) {
  write_text(lower() + "/etc/hosts", "mine\n");
  fs::create_symlink("/nowhere", lower() + "/etc/dangling");
  const unique_fd root = mount();
  rootfs_->write(root.get(), {{"/etc/hosts", "theirs\n", 0644, true}, {"/etc/dangling", "x", 0644, true}, {"/etc/new", "n", 0644, true}});
  EXPECT_EQ(text_in(root.get(), "etc/hosts"), "mine\n");
  EXPECT_EQ(text_in(root.get(), "etc/new"), "n");
  EXPECT_TRUE(fs::is_symlink("/proc/self/fd/" + std::to_string(root.get()) + "/etc/dangling"));
}

TEST_F(RootFilesystemsTest, WriteToADirectoryOrANonNameIsRefusedAndLeavesNoTemporary) {
  fs::create_directories(lower() + "/etc/hosts");
  const unique_fd root = mount();
  EXPECT_THROW(rootfs_->write(root.get(), {{"/etc/hosts", "x", 0644, false}}), Error);
  EXPECT_THROW(rootfs_->write(root.get(), {{"/", "x", 0644, false}}), Error);
  EXPECT_THROW(rootfs_->write(root.get(), {{"/etc/..", "x", 0644, false}}), Error);
  for (const auto& entry : fs::directory_iterator("/proc/self/fd/" + std::to_string(root.get()) + "/etc"))
    EXPECT_EQ(entry.path().filename(), "hosts");
}

// The detached mount is what the launcher moves into a mount namespace of its own: it must be usable there.
TEST_F(RootFilesystemsTest, BashRunsInTheMountMovedIntoANamespace) {
  const unique_fd root = mount();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(10);
    if (::move_mount(root.get(), "", AT_FDCWD, "/mnt", MOVE_MOUNT_F_EMPTY_PATH) != 0) ::_exit(11);
    if (::chroot("/mnt") != 0 || ::chdir("/") != 0) ::_exit(12);
    ::execl("/bin/bash", "bash", "-c", "cd /; echo hi > /greeting; [ \"$(pwd)\" = / ] && exit 42", nullptr);
    ::_exit(13);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
  EXPECT_EQ(read_text(layers().directory + "/upper/greeting"), "hi\n");
}

}  // namespace
}  // namespace sovirt::test
