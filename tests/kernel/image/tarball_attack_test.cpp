#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <thread>

#include "daemon/kernel/image/member_writer.hpp"
#include "daemon/kernel/image/tar_reader.hpp"
#include "daemon/kernel/mount/remove_tree.hpp"
#include "tests/kernel/image/builder_fixture.hpp"

namespace sovirt::test {
namespace {

// Archives that mean harm. Each is refused with the member named, or unpacked without it; nothing outside the root of
// the image is ever written, which the canary beside it shows.
class TarballAttackTest : public BuilderTest {
 protected:
  void SetUp() override {
    BuilderTest::SetUp();
    if (IsSkipped()) return;
    write_text(canary(), "alive");
    write_text(top() + "/outside/file", "untouched");
  }
  void TearDown() override {
    if (!top().empty()) {
      EXPECT_EQ(read_text(canary()), "alive");
      EXPECT_EQ(read_text(top() + "/outside/file"), "untouched");
      EXPECT_EQ(std::distance(fs::directory_iterator(top() + "/outside"), {}), 1);
      EXPECT_FALSE(fs::exists("/sovirt-attack"));
      EXPECT_FALSE(fs::exists("/tmp/sovirt-attack"));
    }
    BuilderTest::TearDown();
  }
  std::string canary() const { return top() + "/state/canary"; }
  void expect_refused(const std::string& member) {
    const Error error = refused();
    EXPECT_EQ(error.code(), Code::invalid) << error.detail();
    EXPECT_NE(error.detail().find("\"" + member), std::string::npos) << error.detail();
  }
};

TEST_F(TarballAttackTest, DotDot) {
  for (const char* name : {"../canary", "../../canary", "a/../../../canary", "./..", "..", "a/.."}) {
    TarMaker{tar()}.directory("a").file(name, "evil").finish();
    expect_refused(name);
  }
}

TEST_F(TarballAttackTest, AbsoluteName) {
  TarMaker{tar()}.file("/sovirt-attack", "evil").finish();
  expect_refused("/sovirt-attack");
  TarMaker{tar()}.file("//tmp/sovirt-attack", "evil").finish();
  expect_refused("//tmp/sovirt-attack");
}

TEST_F(TarballAttackTest, FileThroughALinkThatAnEarlierMemberMade) {
  for (const std::string& target : {top() + "/outside", std::string("/tmp"), std::string("../../../../outside"), std::string("real"), std::string("/nowhere")}) {
    TarMaker{tar()}.directory("real").link("way", target).file("way/sovirt-attack", "evil").finish();
    expect_refused("way/sovirt-attack");
    TarMaker{tar()}.directory("real").link("way", target).directory("way/sovirt-attack").finish();
    expect_refused("way/sovirt-attack");
    TarMaker{tar()}.directory("d").link("d/way", target).file("d/way/deep/file", "evil").finish();
    expect_refused("d/way/deep/file");
  }
}

TEST_F(TarballAttackTest, FileOverALinkReplacesTheLink) {
  TarMaker{tar()}.link("file", top() + "/outside/file").file("file", "evil").finish();
  const std::string root = build_tar().directory;
  EXPECT_FALSE(fs::is_symlink(root + "/file"));
  EXPECT_EQ(read_text(root + "/file"), "evil");
}

TEST_F(TarballAttackTest, DirectoryOverALinkReplacesTheLink) {
  TarMaker{tar()}.link("way", top() + "/outside").directory("way", 0777).file("way/evil", "x").finish();
  const std::string root = build_tar().directory;
  EXPECT_FALSE(fs::is_symlink(root + "/way"));
  struct stat facts{};
  ASSERT_EQ(::stat((top() + "/outside").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0755u);
}

TEST_F(TarballAttackTest, HardLinksOutside) {
  TarMaker{tar()}.hard("x", "/etc/passwd").finish();
  expect_refused("x");
  TarMaker{tar()}.hard("x", "../../../../outside/file").finish();
  expect_refused("x");
  TarMaker{tar()}.link("way", top() + "/outside").hard("x", "way/file").finish();
  expect_refused("x");
  TarMaker{tar()}.hard("x", "not-there").finish();
  expect_refused("x");
  TarMaker{tar()}.directory("d").hard("x", "d").finish();
  expect_refused("x");
}

TEST_F(TarballAttackTest, DataOfAHardLinkedLinkStaysInside) {
  // A hard link to a symbolic link is that link; a file of the same name then replaces it.
  TarMaker{tar()}.link("way", top() + "/outside/file").hard("x", "way").file("x", "evil").finish();
  const std::string root = build_tar().directory;
  EXPECT_EQ(read_text(root + "/x"), "evil");
}

TEST_F(TarballAttackTest, DeviceNodesAreNeverMade) {
  TarMaker{tar()}
      .add({.name = "disk", .type = S_IFBLK, .mode = 0666, .major = 8, .minor = 0})
      .add({.name = "mem", .type = S_IFCHR, .mode = 0666, .major = 1, .minor = 1})
      .file("plain", "x").finish();
  const std::string root = build_tar().directory;
  EXPECT_FALSE(fs::exists(root + "/disk"));
  EXPECT_FALSE(fs::exists(root + "/mem"));
  TarMaker{tar()}.add({.name = "mem", .type = S_IFCHR, .major = 1, .minor = 1}).hard("y", "mem").finish();
  builder_->collect({});
  expect_refused("y");
}

TEST_F(TarballAttackTest, HugeNames) {
  const std::string component(300, 'n');
  TarMaker{tar()}.file(component, "x").finish();
  expect_refused(component.substr(0, 100));
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "d/";
  TarMaker{tar()}.file(deep + "x", "x").finish();
  expect_refused("d/d/d/");
  std::string longest;
  for (int i = 0; i < 40; ++i) longest += std::string(120, 'l') + "/";
  TarMaker{tar()}.file(longest + "x", "x").finish();
  expect_refused("lll");
}

TEST_F(TarballAttackTest, ASparseTerabyteIsRefusedAtOnce) {
  // Written by hand: a GNU sparse 1.0 file that says it is a terabyte, with one byte of data.
  const std::string make = "cd " + top() + " && truncate -s 1T big && tar -cSf " + tar() + " big && rm big";
  ASSERT_EQ(std::system(make.c_str()), 0);
  expect_refused("big");
}

TEST_F(TarballAttackTest, OwnersThatNobodyCanHave) {
  TarMaker{tar()}.add({.name = "owned", .data = "x", .uid = 4294967295}).finish();
  expect_refused("owned");
}

TEST_F(TarballAttackTest, TheRootCannotBeReplaced) {
  TarMaker{tar()}.link("./", "/tmp").finish();
  expect_refused("./");
}

TEST_F(TarballAttackTest, AFullDirectoryIsNotReplacedByAFile) {
  TarMaker{tar()}.directory("d").file("d/inside", "x").file("d", "evil").finish();
  expect_refused("d");
}

TEST_F(TarballAttackTest, WhatIsCutShortOrNoArchiveIsSaid) {
  std::mt19937 random{7};
  std::string noise(600'000, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  for (const Packing packing : {Packing::plain, Packing::gzip, Packing::xz, Packing::zstd}) {
    TarMaker{tar(), packing}.file("noise", noise).file("more", noise).finish();
    for (const std::uintmax_t size : {fs::file_size(tar()) * 3 / 4, std::uintmax_t{700}, std::uintmax_t{3}}) {
      fs::resize_file(tar(), size);
      EXPECT_EQ(refused().code(), Code::invalid) << static_cast<int>(packing) << " at " << size;
    }
  }
  write_text(tar(), "");
  EXPECT_EQ(refused().code(), Code::invalid);
  write_text(tar(), noise);
  EXPECT_EQ(refused().code(), Code::invalid);
  TarMaker{tar()}.finish();
  EXPECT_EQ(refused().code(), Code::invalid);
}

TEST_F(TarballAttackTest, MutatedArchivesNeverEscapeOrHang) {
  std::mt19937 random{20240607};
  TarMaker{tar()}.directory("d").file("d/f", std::string(3000, 'x')).link("l", "d/f").hard("h", "d/f").link("way", top() + "/outside").file("z", "z").finish();
  const std::string whole = read_text(tar());
  const std::string root = top() + "/unpacked";
  const std::function<void(Progress)> report;
  const image::ProgressMeter meter{{}, report};
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = whole;
    for (int change = 0; change < 6; ++change) bytes[random() % bytes.size()] = static_cast<char>(random() % 3 ? '0' + random() % 10 : random());
    write_text(tar(), bytes);
    fs::create_directory(root);
    const unique_fd file{::open(tar().c_str(), O_RDONLY | O_CLOEXEC)}, at{::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    try {
      image::TarReader reader{file.get(), bytes.size(), meter};
      image::MemberWriter writer{at.get(), {}};
      for (image::TarMember member; reader.next(member);) writer.write(member, reader);
    } catch (const Error& error) {
      ++refused;
      EXPECT_TRUE(error.code() == Code::invalid || error.code() == Code::internal) << error.detail();
    }
    rootfs::remove_tree(root);
  }
  EXPECT_GT(refused, 40);
}

TEST_F(TarballAttackTest, CancelEndsAZeroBombWithinASecond) {
  // One member of 600 MB of zeros, which zstd packs into some fifty kilobytes.
  const std::string make = "cd " + top() + " && truncate -s 600M bomb && tar -c bomb | zstd -q -1 -o " + tar() + " && rm bomb";
  if (std::system("command -v zstd >/dev/null") != 0) GTEST_SKIP() << "zstd is not installed to make the archive";
  ASSERT_EQ(std::system(make.c_str()), 0);
  std::stop_source stop;
  std::chrono::steady_clock::time_point asked;
  std::jthread canceller{[&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    asked = std::chrono::steady_clock::now();
    stop.request_stop();
  }};
  try {
    build({TarballSource{tar(), ""}}, stop.get_token());
    GTEST_SKIP() << "it was unpacked before the stop was asked for";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::cancelled);
    canceller.join();
    EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::seconds{1});
  }
  EXPECT_TRUE(stored().empty());
}

}  // namespace
}  // namespace sovirt::test
