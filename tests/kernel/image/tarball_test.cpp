#include <sys/xattr.h>

#include <algorithm>
#include <cstdlib>

#include "daemon/kernel/image/member_writer.hpp"
#include "tests/kernel/image/builder_fixture.hpp"

namespace sovirt::test {
namespace {

using TarballTest = BuilderTest;

void small_root(TarMaker& tar) {
  tar.directory("./").directory("./etc").directory("./bin").file("./etc/os-release", "ID=test\nPRETTY_NAME=\"Test OS 1\"\n");
  tar.add({.name = "./bin/su", .mode = 04755, .data = "setuid", .uid = 0, .gid = 12});
  tar.add({.name = "./bin/ping", .mode = 0755, .data = "x", .xattrs = {{"user.note", "kept"}, {"trusted.overlay.opaque", "y"}}});
  tar.link("./sbin", "bin").link("./etc/mtab", "../proc/self/mounts").hard("./bin/su2", "./bin/su");
  tar.add({.name = "./etc/pipe", .type = S_IFIFO, .mode = 0620});
  tar.add({.name = "./dev/sda", .type = S_IFBLK, .mode = 0660, .major = 8, .minor = 0});
  tar.add({.name = "./opt/n\xc3\xa4me", .data = "utf-8", .uid = 1000, .gid = 100});
}

TEST_F(TarballTest, EveryPackingGivesTheSameTree) {
  std::string digest;
  for (const Packing packing : {Packing::plain, Packing::gzip, Packing::xz, Packing::zstd}) {
    {
      TarMaker tar_maker{tar(), packing};
      small_root(tar_maker);
    }
    const BuiltImage image = build_tar();
    EXPECT_TRUE(digest.empty() || image.digest == digest) << image.digest;
    digest = image.digest;
    EXPECT_EQ(image.directory, images() + "/" + digest.substr(7) + "/rootfs");
    EXPECT_EQ(image.os, "Test OS 1");
  }
  EXPECT_EQ(stored().size(), 1u);
}

TEST_F(TarballTest, ModesOwnersLinksAndAttributesAreKept) {
  {
    TarMaker tar_maker{tar(), Packing::gzip};
    small_root(tar_maker);
  }
  const std::string root = build_tar().directory;
  struct stat facts{}, other{};
  ASSERT_EQ(::lstat((root + "/bin/su").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode, static_cast<mode_t>(S_IFREG | 04755));
  EXPECT_EQ(facts.st_gid, 12u);
  EXPECT_EQ(facts.st_mtime, 1'000'000'000);
  ASSERT_EQ(::lstat((root + "/bin/su2").c_str(), &other), 0);
  EXPECT_EQ(other.st_ino, facts.st_ino);
  EXPECT_EQ(fs::read_symlink(root + "/sbin"), "bin");
  EXPECT_EQ(fs::read_symlink(root + "/etc/mtab"), "../proc/self/mounts");
  ASSERT_EQ(::lstat((root + "/etc/pipe").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode, static_cast<mode_t>(S_IFIFO | 0620));
  EXPECT_FALSE(fs::exists(root + "/dev/sda"));
  EXPECT_EQ(read_text(root + "/opt/n\xc3\xa4me"), "utf-8");
  ASSERT_EQ(::lstat((root + "/opt/n\xc3\xa4me").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_uid, 1000u);
  char value[16] = {};
  EXPECT_EQ(::getxattr((root + "/bin/ping").c_str(), "user.note", value, sizeof value), 4);
  EXPECT_STREQ(value, "kept");
  EXPECT_LT(::getxattr((root + "/bin/ping").c_str(), "trusted.overlay.opaque", value, sizeof value), 0);
  ASSERT_EQ(::stat((root + "/..").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);  // setuid files of images are out of the host's users' reach
}

TEST_F(TarballTest, ProgressOnlyRisesAndEndsAtAHundred) {
  TarMaker tar_maker{tar()};
  for (int i = 0; i < 300; ++i) tar_maker.file("f" + std::to_string(i), std::string(10'000, static_cast<char>('a' + i % 26)));
  tar_maker.finish();
  build_tar();
  ASSERT_GT(progress_.size(), 5u);
  EXPECT_TRUE(std::is_sorted(progress_.begin(), progress_.end(), [](auto& a, auto& b) { return a.percent < b.percent; }));
  EXPECT_EQ(progress_.back().percent, 100);
}

TEST_F(TarballTest, ASparseFileStaysSparse) {
  TarMaker{tar()}.add({.name = "sparse", .data = "end", .hole = 64 << 20}).finish();
  const BuiltImage image = build_tar();
  struct stat facts{};
  ASSERT_EQ(::stat((image.directory + "/sparse").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_size, (64 << 20) + 3);
  EXPECT_LT(facts.st_blocks * 512, 1 << 20);
}

TEST_F(TarballTest, ZerosTakeNoRoomAndCountAsAHole) {
  TarMaker{tar(), Packing::gzip}.file("zeros", std::string(32 << 20, '\0')).finish();
  const BuiltImage written = build_tar();
  struct stat facts{};
  ASSERT_EQ(::stat((written.directory + "/zeros").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_size, 32 << 20);
  EXPECT_LT(facts.st_blocks * 512, 1 << 20);
}

TEST_F(TarballTest, TheLastOfTwoMembersOfOneNameCounts) {
  TarMaker{tar()}.file("a", "first").file("a", "second").link("b", "/nowhere").file("b", "file").directory("c").file("c", "file now").finish();
  const std::string root = build_tar().directory;
  EXPECT_EQ(read_text(root + "/a"), "second");
  EXPECT_EQ(read_text(root + "/b"), "file");
  EXPECT_EQ(read_text(root + "/c"), "file now");
}

TEST_F(TarballTest, TheFilesDigestIsChecked) {
  TarMaker{tar()}.file("a", "x").finish();
  const std::string command = "sha256sum " + tar() + " | cut -d' ' -f1 > " + top() + "/sum";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::string digest = "sha256:" + read_text(top() + "/sum").substr(0, 64);
  EXPECT_NO_THROW(build_tar(digest));
  try {
    build_tar("sha256:" + std::string(64, '0'));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid);
    ASSERT_EQ(error.fields().size(), 1u);
    EXPECT_EQ(error.fields()[0].pointer, "/source/digest");
    EXPECT_NE(error.detail().find(digest), std::string::npos);
  }
}

TEST_F(TarballTest, UploadedContentIsBuiltWhereThereIsNoPath) {
  TarMaker{tar()}.file("a", "uploaded").finish();
  const BuiltImage image = build({TarballSource{}}, {}, tar());
  EXPECT_EQ(read_text(image.directory + "/a"), "uploaded");
  EXPECT_THROW(builder_->check({TarballSource{}}, ""), Error);
  EXPECT_THROW(builder_->check({TarballSource{top() + "/absent", ""}}, ""), Error);
  EXPECT_THROW(builder_->check({TarballSource{"/dev/null", ""}}, ""), Error);
}

TEST_F(TarballTest, WhatTarMakesOfThisHostsFilesComesBack) {
  const std::string make = "tar -C / -cf " + tar() + " etc/passwd etc/alternatives 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  const BuiltImage image = build_tar();
  EXPECT_EQ(read_text(image.directory + "/etc/passwd"), read_text("/etc/passwd"));
  const std::string compare = "diff -r --no-dereference /etc/alternatives " + image.directory + "/etc/alternatives >/dev/null";
  EXPECT_EQ(std::system(compare.c_str()), 0);
}

TEST(MemberPath, IsRelativeAndPlain) {
  EXPECT_EQ(image::member_path("./a//b/./c/", 9), "a/b/c");
  EXPECT_EQ(image::member_path("./", 9), "");
  EXPECT_THROW(image::member_path("a/../b", 9), Error);
  EXPECT_THROW(image::member_path("/a", 9), Error);
  EXPECT_THROW(image::member_path("", 9), Error);
  EXPECT_THROW(image::member_path("a/b/c", 2), Error);
  EXPECT_EQ(image::member_path("..a/b..", 9), "..a/b..");
}

}  // namespace
}  // namespace sovirt::test
