#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/image/image_facts.hpp"
#include "daemon/kernel/image/tree_digest.hpp"
#include "tests/kernel/image/builder_fixture.hpp"

namespace sovirt::test {
namespace {

using StoreTest = BuilderTest;

TEST_F(StoreTest, RemoveAndCollectKeepWhatIsInUse) {
  TarMaker{tar()}.file("a", "1").finish();
  const BuiltImage one = build_tar();
  TarMaker{tar()}.file("a", "2").finish();
  const BuiltImage two = build_tar();
  TarMaker{tar()}.file("a", "3").finish();
  const BuiltImage three = build_tar();
  EXPECT_TRUE(builder_->remove(one.digest));
  EXPECT_FALSE(builder_->remove(one.digest));
  EXPECT_FALSE(fs::exists(one.directory));
  write_text(temporary() + "/build-0123/image/rootfs/etc/half", "x");
  write_text(temporary() + "/remove-0123/rootfs/x", "x");
  write_text(temporary() + "/upload", "not ours");
  builder_->collect({two.digest});
  EXPECT_EQ(stored(), std::vector<std::string>{two.digest.substr(7)});
  EXPECT_FALSE(fs::exists(temporary() + "/build-0123"));
  EXPECT_FALSE(fs::exists(temporary() + "/remove-0123"));
  EXPECT_TRUE(fs::exists(temporary() + "/upload"));
  fs::remove(temporary() + "/upload");
  EXPECT_THROW(builder_->remove("../etc"), Error);
  EXPECT_THROW(builder_->remove("sha256:abc"), Error);
}

TEST_F(StoreTest, CollectBeforeAnyBuildIsFine) { EXPECT_NO_THROW(builder_->collect({})); }

TEST_F(StoreTest, TheDigestSeesEverythingButTimes) {
  const std::string tree = top() + "/tree";
  write_text(tree + "/d/file", "content");
  fs::create_symlink("file", tree + "/d/link");
  const std::function<void(Progress)> report;
  const auto digest = [&] {
    const unique_fd root{::open(tree.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    image::ProgressMeter meter{{}, report};
    return image::digest_tree(root.get(), meter).hex;
  };
  std::string last = digest();
  fs::last_write_time(tree + "/d/file", fs::file_time_type{});
  EXPECT_EQ(digest(), last);
  const auto changes = [&](const char* what) {
    const std::string next = digest();
    EXPECT_NE(next, last) << what;
    last = next;
  };
  write_text(tree + "/d/file", "Content");
  changes("content");
  ::chmod((tree + "/d/file").c_str(), 0600);
  changes("mode");
  ASSERT_EQ(::lchown((tree + "/d/link").c_str(), 1, 0), 0);
  changes("owner of a link");
  ASSERT_EQ(::setxattr((tree + "/d").c_str(), "user.x", "1", 1, 0), 0);
  changes("attribute of a directory");
  fs::rename(tree + "/d/file", tree + "/d/file2");
  changes("name");
  fs::remove(tree + "/d/link");
  fs::create_symlink("elsewhere", tree + "/d/link");
  changes("target");
  ASSERT_EQ(::mkfifo((tree + "/d/pipe").c_str(), 0600), 0);
  changes("new entry");
  ASSERT_EQ(::truncate((tree + "/d/file2").c_str(), 100'000), 0);
  changes("size by a hole");
  const unique_fd file{::open((tree + "/d/file2").c_str(), O_WRONLY | O_CLOEXEC)};
  const std::string zeros(50'000, '\0');
  ASSERT_EQ(::pwrite(file.get(), zeros.data(), zeros.size(), 20'000), 50'000);
  EXPECT_EQ(digest(), last) << "zeros instead of a hole";
}

TEST(ImageFacts, OsReleaseIsReadWithoutTrust) {
  EXPECT_EQ(image::pretty_name("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"), "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(image::pretty_name("PRETTY_NAME='Alpine'"), "Alpine");
  EXPECT_EQ(image::pretty_name("PRETTY_NAME=Void"), "Void");
  EXPECT_EQ(image::pretty_name("PRETTY_NAME=\"\x1b[31mred\""), "[31mred");
  EXPECT_EQ(image::pretty_name("NAME=x"), "unknown");
  EXPECT_EQ(image::pretty_name("PRETTY_NAME=\""), "\"");
}

}  // namespace
}  // namespace sovirt::test
