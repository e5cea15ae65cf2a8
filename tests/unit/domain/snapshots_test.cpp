#include "daemon/domain/container_copies.hpp"
#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

class SnapshotsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
    host.put(Kind::container, "web", {{"image", "busy"}});
  }
  ContainerCopies& copies() { return host.service().copies(); }
  std::string directory(const std::string& name) {
    const std::string upper = host.container(name).at("status").at("rootfs").at("upper").get<std::string>();
    return upper.substr(0, upper.rfind('/'));
  }
  void write(const std::string& path, const std::string& content) {
    auto files = host.roots.files(directory("web"));
    files[path] = content;
    host.roots.set_files(directory("web"), files);
  }
  // What the container sees beyond its image.
  std::map<std::string, std::string> seen(const std::string& name = "web") {
    auto files = host.roots.files(directory(name));
    for (const Json& layer : layers(name))
      for (const auto& [path, content] : host.roots.files(layer.get<std::string>())) files.try_emplace(path, content);
    return files;
  }
  Json layers(const std::string& name = "web") { return host.container(name).at("status").at("rootfs").at("layers"); }
  std::map<std::string, Json> snapshots() {
    std::map<std::string, Json> all;
    const Json document = copies().snapshots("web");
    for (const Json& one : document.at("items")) all[one.at("name").get<std::string>()] = one;
    return all;
  }
  std::size_t stored() {
    const std::string text = host.kernel();
    std::size_t count = 0;
    for (std::size_t at = text.find("layer:"); at != std::string::npos; at = text.find("layer:", at + 1)) ++count;
    return count;
  }
  Host host;
};

TEST_F(SnapshotsTest, RestoreBringsBackWhatWasThere) {
  write("/a", "1");
  const ChangeResult made = copies().snapshot("web", "first", {});
  EXPECT_TRUE(made.created);
  EXPECT_EQ(made.body.at("name"), "first");
  EXPECT_EQ(made.body.at("parent"), nullptr);
  EXPECT_EQ(made.body.at("size"), 1);
  write("/a", "2");
  write("/b", "2");
  copies().snapshot("web", "second", {});
  write("/a", "3");
  copies().restore("web", "first", {});
  EXPECT_EQ(seen(), (std::map<std::string, std::string>{{"/a", "1"}}));
  copies().restore("web", "second", {});
  EXPECT_EQ(seen(), (std::map<std::string, std::string>{{"/a", "2"}, {"/b", "2"}}));
  EXPECT_EQ(snapshots().at("second").at("parent"), "first");
  EXPECT_EQ(snapshots().at("second").at("current"), true);
  EXPECT_EQ(host.container("web").at("revision"), 1);
}

TEST_F(SnapshotsTest, TheTreeKnowsWhatCameFromWhat) {
  copies().snapshot("web", "root", {});
  write("/a", "1");
  copies().snapshot("web", "left", {});
  copies().restore("web", "root", {});
  write("/b", "1");
  copies().snapshot("web", "right", {});
  EXPECT_EQ(snapshots().at("left").at("parent"), "root");
  EXPECT_EQ(snapshots().at("right").at("parent"), "root");
  copies().remove_snapshot("web", "root", {});
  EXPECT_EQ(snapshots().at("left").at("parent"), nullptr);
  EXPECT_EQ(snapshots().at("right").at("current"), true);
  copies().restore("web", "left", {});
  EXPECT_EQ(seen(), (std::map<std::string, std::string>{{"/a", "1"}}));
}

TEST_F(SnapshotsTest, WrongNamesAreRefused) {
  copies().snapshot("web", "first", {});
  EXPECT_EQ(code_of([&] { copies().snapshot("web", "first", {}); }), Code::exists);
  EXPECT_EQ(code_of([&] { copies().restore("web", "none", {}); }), Code::not_found);
  EXPECT_EQ(code_of([&] { copies().remove_snapshot("web", "none", {}); }), Code::not_found);
  EXPECT_EQ(code_of([&] { copies().snapshot("none", "first", {}); }), Code::not_found);
}

TEST_F(SnapshotsTest, DeletingMergesWhatNobodyCanAskForAnyMore) {
  for (const char* name : {"one", "two", "three", "four"}) {
    write(std::string{"/"} + name, "x");
    copies().snapshot("web", name, {});
  }
  write("/end", "x");
  const auto before = seen();
  EXPECT_EQ(stored(), 4u);
  copies().remove_snapshot("web", "two", {});
  EXPECT_EQ(stored(), 3u) << host.kernel();
  EXPECT_EQ(seen(), before);
  copies().remove_snapshot("web", "one", {});
  copies().remove_snapshot("web", "four", {});
  EXPECT_EQ(seen(), before);
  copies().remove_snapshot("web", "three", {});
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(seen(), before);
}

TEST_F(SnapshotsTest, LayersThatACopyStandsOnAreNotMerged) {
  write("/a", "1");
  copies().snapshot("web", "first", {});
  copies().copy("web", {"so1", Identity::fail}, {});
  write("/a", "2");
  copies().snapshot("web", "second", {});
  const auto before = seen("so1");
  copies().remove_snapshot("web", "first", {});
  copies().remove_snapshot("web", "second", {});
  EXPECT_EQ(seen("so1"), before);
  EXPECT_EQ(seen().at("/a"), "2");
  host.service().remove(Kind::container, "web", {});
  EXPECT_EQ(stored(), 1u);
  host.state("so1", Desired::running);
}

TEST_F(SnapshotsTest, WhatRestoreThrowsAwayIsGone) {
  write("/a", "1");
  copies().snapshot("web", "first", {});
  write("/a", "2");
  copies().copy("web", {"so1", Identity::fail}, {});
  copies().restore("web", "first", {});
  EXPECT_EQ(stored(), 2u) << "the copy stands on it";
  host.service().remove(Kind::container, "so1", {});
  EXPECT_EQ(stored(), 1u);
}

TEST_F(SnapshotsTest, ARunningOneIsCopiedAndNeverRestored) {
  write("/a", "1");
  host.state("web", Desired::running);
  const ChangeResult result = copies().snapshot("web", "live", {});
  ASSERT_FALSE(result.operation.empty());
  Host::eventually([&] { return host.service().operation(result.operation).at("state") != "running"; });
  EXPECT_EQ(host.service().operation(result.operation).at("result").at("name"), "live");
  EXPECT_EQ(code_of([&] { copies().restore("web", "live", {}); }), Code::conflict);
  EXPECT_EQ(host.state_of("web"), "running");
  host.state("web", Desired::stopped);
  write("/a", "2");
  copies().restore("web", "live", {});
  EXPECT_EQ(seen().at("/a"), "1");
}

TEST_F(SnapshotsTest, TooManyLayersAreRefusedUnlessSomeCanBeMerged) {
  for (int number = 0; number < 48; ++number) {
    write("/n", std::to_string(number));
    copies().snapshot("web", "s" + std::to_string(number), {});
  }
  write("/n", "more");
  EXPECT_EQ(code_of([&] { copies().snapshot("web", "more", {}); }), Code::conflict);
  copies().remove_snapshot("web", "s20", {});
  copies().snapshot("web", "more", {});
  EXPECT_EQ(seen().at("/n"), "more");
}

TEST_F(SnapshotsTest, AnyFailureLeavesEverythingAsItWas) {
  write("/a", "1");
  copies().snapshot("web", "first", {});
  write("/a", "2");
  const std::string before = host.kernel();
  host.layers.fail_call(1, Error{Code::disk_full, "full"});
  EXPECT_EQ(code_of([&] { copies().restore("web", "first", {}); }), Code::disk_full);
  EXPECT_EQ(seen().at("/a"), "2");
  host.layers.fail_call(2, Error{Code::disk_full, "full"});
  EXPECT_EQ(code_of([&] { copies().snapshot("web", "second", {}); }), Code::disk_full);
  EXPECT_EQ(host.kernel(), before);
  EXPECT_EQ(snapshots().size(), 1u);
  EXPECT_EQ(seen().at("/a"), "2");
}

TEST_F(SnapshotsTest, ARestartCollectsLayersThatNobodyNames) {
  write("/a", "1");
  copies().snapshot("web", "first", {});
  const std::string layer = layers().at(0).get<std::string>();
  const std::string stray = layer.substr(0, layer.rfind('/')) + "/straystray12";
  host.roots.set_files(stray, {{"/x", "x"}});
  host.start();
  EXPECT_FALSE(host.roots.exists(stray));
  EXPECT_TRUE(host.roots.exists(layer));
  EXPECT_EQ(snapshots().size(), 1u);
}

}  // namespace
}  // namespace sovirt::tests
