// What both kinds of archives do: those in memory that the domain is tested with, and those on the disk.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "daemon/base/error.hpp"
#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/image/kernel_archives.hpp"
#include "daemon/kernel/mount/remove_tree.hpp"
#include "tests/fakes/archives/fake_archives.hpp"

namespace sovirt {
namespace {

namespace fs = std::filesystem;

class FakeWorld {
 public:
  static std::string absent() { return {}; }
  Archives& archives() { return archives_; }
  std::string file(const std::string& name) const { return "/archives-contract/" + name; }
  int root() const { return -1; }
  bool exists(const std::string& path) const { return archives_.exists(path); }

 private:
  FakeArchives archives_;
};

class RealWorld {
 public:
  static std::string absent() { return ::geteuid() == 0 ? "" : "owners and attributes need root"; }
  RealWorld() {
    char name[] = "/var/tmp/sovirt-test-archives-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw errno_error("mkdtemp");
    top_ = name;
    for (const char* part : {"/images", "/tmp", "/root/etc"}) fs::create_directories(top_ + part);
    std::ofstream{top_ + "/root/etc/hostname"} << "so";
    root_.reset(::open((top_ + "/root").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ImageBuilderOptions options;
    options.images_dir = top_ + "/images";
    options.temp_dir = top_ + "/tmp";
    archives_ = make_archives(options);
  }
  RealWorld(const RealWorld&) = delete;
  RealWorld& operator=(const RealWorld&) = delete;
  ~RealWorld() { rootfs::remove_tree(top_); }
  Archives& archives() { return *archives_; }
  std::string file(const std::string& name) const { return top_ + "/" + name; }
  int root() const { return root_.get(); }
  bool exists(const std::string& path) const { return fs::exists(path); }

 private:
  std::string top_;
  unique_fd root_;
  std::unique_ptr<Archives> archives_;
};

template <class World>
class ArchivesContract : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = World::absent(); !why.empty()) GTEST_SKIP() << why;
    world_.emplace();
  }
  World& world() { return *world_; }
  Archives& archives() { return world_->archives(); }
  WrittenArchive write(const std::string& document, const std::string& name) {
    return archives().write(world_->root(), document, world_->file(name), ::getuid(), {}, {});
  }
  static bool is_digest(const std::string& text) { return text.size() == 71 && text.starts_with("sha256:"); }
  template <class Call>
  static Code code_of(Call call) {
    try {
      call();
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "it was not refused";
    return Code::internal;
  }

 private:
  std::optional<World> world_;
};
using Worlds = testing::Types<FakeWorld, RealWorld>;
TYPED_TEST_SUITE(ArchivesContract, Worlds);

TYPED_TEST(ArchivesContract, ADocumentComesBackAndTheTreeIsAnImage) {
  const WrittenArchive written = this->write("{\"format\":1}\n", "a.tar.zst");
  EXPECT_TRUE(this->is_digest(written.digest));
  EXPECT_GT(written.size, 0u);
  EXPECT_TRUE(this->world().exists(this->world().file("a.tar.zst")));
  EXPECT_EQ(this->archives().document(this->world().file("a.tar.zst")), "{\"format\":1}\n");
  const BuiltImage first = this->archives().read(this->world().file("a.tar.zst"), "", {}, {});
  EXPECT_TRUE(this->is_digest(first.digest));
  EXPECT_EQ(this->archives().read(this->world().file("a.tar.zst"), written.digest, {}, {}).digest, first.digest);
}

TYPED_TEST(ArchivesContract, NothingTakesThePlaceOfAFile) {
  this->write("{}", "a.tar.zst");
  EXPECT_EQ(this->code_of([&] { this->write("{\"other\":1}", "a.tar.zst"); }), Code::exists);
  EXPECT_EQ(this->archives().document(this->world().file("a.tar.zst")), "{}");
}

TYPED_TEST(ArchivesContract, WhatIsNotThereIsRefused) {
  EXPECT_EQ(this->code_of([&] { this->archives().document(this->world().file("none")); }), Code::invalid);
  EXPECT_EQ(this->code_of([&] { this->archives().read(this->world().file("none"), "", {}, {}); }), Code::invalid);
}

TYPED_TEST(ArchivesContract, APublishedTreeIsAnImage) {
  const BuiltImage image = this->archives().publish(this->world().root(), {}, {});
  EXPECT_TRUE(this->is_digest(image.digest));
  EXPECT_NE(image.directory.find(image.digest.substr(7)), std::string::npos);
}

}  // namespace
}  // namespace sovirt
