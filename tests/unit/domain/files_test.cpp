#include "tests/unit/domain/host.hpp"

#include "daemon/domain/container_files.hpp"

namespace sovirt::tests {
namespace {

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
    host.put(Kind::container, "web", {{"image", "busy"}});
  }
  ContainerFiles& files() { return host.service().files(); }
  std::string read(const std::string& path) {
    FileFacts facts;
    return files().read("web", path, facts)->read(1000);
  }
  void put(const std::string& path, const std::string& content) {
    const auto target = files().write("web", path, {});
    target->write(content);
    target->finish();
  }
  Host host;
};

TEST_F(Files, OfAStoppedAndARunningContainer) {
  put("/a", "stopped");
  EXPECT_EQ(read("/a"), "stopped");
  host.state("web", Desired::running);
  put("/a", "running");
  EXPECT_EQ(read("/a"), "running");
  EXPECT_EQ(code_of([&] { files().look("nobody", "/a"); }), Code::not_found);
}

TEST_F(Files, OneMountServesAllWhoLookIntoAStoppedContainer) {
  host.files.put("/a", "x");
  const auto before = host.roots.mounts();
  FileFacts facts;
  const auto one = files().read("web", "/a", facts);
  const auto two = files().read("web", "/a", facts);
  EXPECT_EQ(host.roots.mounts(), before + 1);
}

TEST_F(Files, AStartEndsTransfersOfTheStoppedOne) {
  host.files.put("/a", "x");
  FileFacts facts;
  const auto reading = files().read("web", "/a", facts);
  const auto writing = files().write("web", "/b", {});
  writing->write("half");
  host.state("web", Desired::running);
  EXPECT_EQ(host.files.open(), 0u);   // nothing holds its mount any more
  EXPECT_EQ(code_of([&] { reading->read(10); }), Code::conflict);
  EXPECT_EQ(code_of([&] { writing->finish(); }), Code::conflict);
  EXPECT_FALSE(host.files.all().contains("/b"));
}

TEST_F(Files, AStopEndsTransfersOfTheRunningOne) {
  host.state("web", Desired::running);
  const auto writing = files().write("web", "/b", {});
  host.state("web", Desired::stopped);
  EXPECT_EQ(code_of([&] { writing->write("x"); }), Code::conflict);
  const auto again = files().write("web", "/b", {});
  host.service().remove(Kind::container, "web", {});
  EXPECT_EQ(code_of([&] { again->finish(); }), Code::conflict);
}

TEST_F(Files, AContainerThatIsJustEndingIsNoCrash) {
  host.state("web", Desired::running);
  host.files.end_process(host.container("web").at("status").at("pid").get<pid_t>());
  EXPECT_EQ(code_of([&] { files().look("web", "/"); }), Code::conflict);
}

TEST_F(Files, PathsAreAbsoluteAndPlain) {
  for (const char* path : {"", "a", "./a", "/..", "/a/../b", "/a/.."})
    EXPECT_EQ(code_of([&] { files().look("web", path); }), Code::bad_query) << path;
  for (const char* path : {"/", "//", "/./", "/...", "/a..b"}) {
    try {
      files().look("web", path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::not_found) << path;
    }
  }
}

}  // namespace
}  // namespace sovirt::tests
