// What both kinds of layers do: those in memory that the domain is tested with, and those on the disk.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include "daemon/kernel/mount/kernel_layer_files.hpp"
#include "daemon/kernel/mount/overlay_root_filesystems.hpp"
#include "daemon/kernel/mount/remove_tree.hpp"
#include "tests/fakes/layers/fake_layer_files.hpp"

namespace sovirt {
namespace {

namespace fs = std::filesystem;

class FakeWorld {
 public:
  static std::string absent() { return {}; }
  LayerFiles& files() { return layers_; }
  RootFilesystems& roots() { return roots_; }
  std::string top() const { return "/layers-contract"; }
  void write(const std::string& directory, const std::string& path, const std::string& text) {
    auto all = roots_.files(directory);
    all[path] = text;
    roots_.set_files(directory, std::move(all));
  }
  void put(const std::string& tree, const std::string& path, const std::string& text) { write(tree, path, text); }
  std::optional<std::string> read(const std::string& directory, const std::string& path) const { return in(directory, path); }
  std::optional<std::string> in(const std::string& tree, const std::string& path) const {
    const auto all = roots_.files(tree);
    const auto found = all.find(path);
    return found == all.end() ? std::nullopt : std::optional{found->second};
  }

 private:
  FakeRootFilesystems roots_;
  FakeLayerFiles layers_{roots_};
};

class RealWorld {
 public:
  static std::string absent() { return ::geteuid() == 0 ? "" : "overlays need root"; }
  RealWorld() {
    char name[] = "/var/tmp/sovirt-test-layers-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw errno_error("mkdtemp");
    top_ = name;
    fs::create_directories(top_ + "/containers");
  }
  RealWorld(const RealWorld&) = delete;
  RealWorld& operator=(const RealWorld&) = delete;
  ~RealWorld() { rootfs::remove_tree(top_); }
  LayerFiles& files() { return *layers_; }
  RootFilesystems& roots() { return *roots_; }
  std::string top() const { return top_; }
  void write(const std::string& directory, const std::string& path, const std::string& text) { put(directory + "/upper", path, text); }
  void put(const std::string& tree, const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(tree + path).parent_path());
    std::ofstream{tree + path} << text;
  }
  std::optional<std::string> read(const std::string& directory, const std::string& path) const { return in(directory + "/upper", path); }
  std::optional<std::string> in(const std::string& tree, const std::string& path) const {
    std::ifstream file{tree + path};
    if (!file) return std::nullopt;
    return std::string{std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string top_;
  std::unique_ptr<LayerFiles> layers_ = make_layer_files();
  std::unique_ptr<RootFilesystems> roots_ = make_root_filesystems();
};

template <class World>
class LayersContract : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = World::absent(); !why.empty()) GTEST_SKIP() << why;
    world_.emplace();
    world_->put(lower(), "/etc/hostname", "image");
    world_->roots().create({lower(), directory(), {}});
  }
  LayerFiles& files() { return world_->files(); }
  World& world() { return *world_; }
  std::string lower() { return world_->top() + "/image"; }
  std::string directory() { return world_->top() + "/containers/a"; }
  std::string layer(int number) { return world_->top() + "/layers/l" + std::to_string(number); }

 private:
  std::optional<World> world_;
};
using Worlds = testing::Types<FakeWorld, RealWorld>;
TYPED_TEST_SUITE(LayersContract, Worlds);

TYPED_TEST(LayersContract, FrozenIsMovedAndComesBackHoweverOften) {
  EXPECT_TRUE(this->files().unchanged(this->directory(), this->lower()));
  this->world().write(this->directory(), "/data", "1");
  EXPECT_FALSE(this->files().unchanged(this->directory(), this->lower()));
  this->files().freeze(this->directory(), this->layer(1));
  this->files().freeze(this->directory(), this->layer(1));
  EXPECT_EQ(this->world().in(this->layer(1), "/data"), "1");
  EXPECT_EQ(this->world().read(this->directory(), "/data"), std::nullopt);
  EXPECT_TRUE(this->files().unchanged(this->directory(), this->layer(1)));
  this->files().unfreeze(this->directory(), this->layer(1));
  this->files().unfreeze(this->directory(), this->layer(1));
  EXPECT_EQ(this->world().read(this->directory(), "/data"), "1");
}

TYPED_TEST(LayersContract, UndoNeverDropsWhatWasWrittenSince) {
  this->world().write(this->directory(), "/data", "1");
  this->files().freeze(this->directory(), this->layer(1));
  this->world().write(this->directory(), "/new", "2");
  EXPECT_THROW(this->files().unfreeze(this->directory(), this->layer(1)), Error);
  EXPECT_EQ(this->world().read(this->directory(), "/new"), "2");
}

TYPED_TEST(LayersContract, ResetPutsAsideAndTakesBack) {
  const std::string aside = this->world().top() + "/tmp/aside";
  this->world().write(this->directory(), "/data", "1");
  this->files().reset(this->directory(), this->lower(), aside);
  this->files().reset(this->directory(), this->lower(), aside);
  EXPECT_TRUE(this->files().unchanged(this->directory(), this->lower()));
  this->files().take_back(this->directory(), aside);
  this->files().take_back(this->directory(), aside);
  EXPECT_EQ(this->world().read(this->directory(), "/data"), "1");
}

TYPED_TEST(LayersContract, ACopyIsWholeOrNotThere) {
  this->world().write(this->directory(), "/data", "1");
  std::stop_source stopped;
  stopped.request_stop();
  try {
    this->files().copy(this->directory() + "/upper", this->layer(1), stopped.get_token(), [](std::uint64_t) {});
    ADD_FAILURE() << "it was not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::cancelled);
  }
  EXPECT_EQ(this->world().in(this->layer(1), "/data"), std::nullopt);
  this->files().copy(this->directory() + "/upper", this->layer(1), {}, [](std::uint64_t) {});
  this->world().write(this->directory(), "/data", "2");
  EXPECT_EQ(this->world().in(this->layer(1), "/data"), "1");
  EXPECT_THROW(this->files().copy(this->world().top() + "/none/upper", this->layer(2), {}, [](std::uint64_t) {}), Error);
}

TYPED_TEST(LayersContract, AMergeShowsTheUpperAboveTheLower) {
  this->world().put(this->layer(1), "/both", "lower");
  this->world().put(this->layer(1), "/old", "lower");
  this->world().put(this->layer(2), "/both", "upper");
  this->files().merge(this->layer(2), this->layer(1), this->layer(3));
  EXPECT_EQ(this->world().in(this->layer(3), "/both"), "upper");
  EXPECT_EQ(this->world().in(this->layer(3), "/old"), "lower");
  EXPECT_EQ(this->world().in(this->layer(1), "/both"), "lower");
}

TYPED_TEST(LayersContract, WhatIsNotThereIsNoErrorToRemoveOrMeasure) {
  EXPECT_FALSE(this->files().remove(this->layer(1)));
  EXPECT_EQ(this->files().size(this->layer(1)), 0u);
  this->world().put(this->layer(1), "/data", "1");
  EXPECT_GT(this->files().size(this->layer(1)), 0u);
  EXPECT_TRUE(this->files().remove(this->layer(1)));
  EXPECT_FALSE(this->files().remove(this->layer(1)));
}

TYPED_TEST(LayersContract, AnIdentityIsFoundAndGiven) {
  EXPECT_FALSE(this->files().has_identity(this->lower()));
  this->world().put(this->lower(), "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
  EXPECT_TRUE(this->files().has_identity(this->lower()));
  const unique_fd root = this->world().roots().mount({this->lower(), this->directory(), {}});
  EXPECT_NO_THROW(this->files().new_identity(root.get()));
  EXPECT_TRUE(this->files().has_identity(this->lower()));   // the image's own is never written
}

}  // namespace
}  // namespace sovirt
