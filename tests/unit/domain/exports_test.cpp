#include "daemon/domain/container_archives.hpp"
#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

class ExportsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
    host.put(Kind::bridge, "brso1", bridge_spec());
    host.put(Kind::container, "web", container_spec());
  }
  ContainerArchives& archives() { return host.service().archives(); }
  Json wait(const ChangeResult& result) {
    Host::eventually([&] { return host.service().operation(result.operation).at("state") != "running"; });
    return host.service().operation(result.operation);
  }
  void write_web() {
    const std::string upper = host.container("web").at("status").at("rootfs").at("upper").get<std::string>();
    host.roots.set_files(upper.substr(0, upper.rfind('/')), {{"/file", "1"}});
  }
  Host host;
};

TEST_F(ExportsTest, AnExportedContainerCanBeImported) {
  const Json written = wait(archives().write_container("web", "/tmp/web.tar.zst", {}));
  ASSERT_EQ(written.at("state"), "done") << written.dump();
  EXPECT_EQ(written.at("result").at("path"), "/tmp/web.tar.zst");
  const Json refused = wait(archives().read_container("again", {"/tmp/web.tar.zst", "", "", false}, {}));
  EXPECT_EQ(refused.at("error").at("code"), "duplicate") << "its address is held";
  EXPECT_EQ(code_of([&] { host.service().get(Kind::image, "again"); }), Code::not_found) << "nor is its image left";
  const Json made = wait(archives().read_container("again", {"/tmp/web.tar.zst", "", "", true}, {}));
  ASSERT_EQ(made.at("state"), "done") << made.dump();
  EXPECT_EQ(host.container("again").at("spec").at("image"), "again");
  EXPECT_EQ(host.container("again").at("spec").at("nics").at(0).at("addresses"), Json::array({"172.16.2.11/24"}));
  host.service().remove(Kind::container, "web", {});
  const Json second = wait(archives().read_container("web", {"/tmp/web.tar.zst", "", "other", false}, {}));
  ASSERT_EQ(second.at("state"), "done") << second.dump();
  EXPECT_EQ(host.container("web").at("spec").at("image"), "again") << "the same content is one image";
}

TEST_F(ExportsTest, ARunningContainerIsExportedFromACopyThatGoes) {
  write_web();
  host.state("web", Desired::running);
  const std::string before = host.kernel();
  ASSERT_EQ(wait(archives().write_container("web", "/tmp/web.tar.zst", {})).at("state"), "done");
  EXPECT_EQ(host.kernel(), before);
  EXPECT_EQ(host.state_of("web"), "running");
}

TEST_F(ExportsTest, AContainerBecomesAnImage) {
  write_web();
  const ChangeResult result = host.put(Kind::image, "app", {{"source", {{"type", "container"}, {"container", "web"}}}});
  ASSERT_EQ(wait(result).at("state"), "done");
  host.put(Kind::container, "c1", {{"image", "app"}});
  EXPECT_EQ(code_of([&] { host.put(Kind::image, "none", {{"source", {{"type", "container"}, {"container", "none"}}}}); }), Code::not_found);
}

TEST_F(ExportsTest, WhatCannotBeReadMakesNothing) {
  EXPECT_EQ(code_of([&] { archives().read_container("again", {"/tmp/none.tar.zst", "", "", false}, {}); }), Code::invalid);
  EXPECT_EQ(code_of([&] { archives().write_container("none", "/tmp/x", {}); }), Code::not_found);
  wait(archives().write_container("web", "/tmp/web.tar.zst", {}));
  EXPECT_EQ(code_of([&] { archives().read_container("web", {"/tmp/web.tar.zst", "", "", false}, {}); }), Code::exists);
  host.archives.fail_next(Error{Code::disk_full, "full"});
  EXPECT_EQ(wait(archives().read_container("again", {"/tmp/web.tar.zst", "", "", true}, {})).at("error").at("code"), "disk-full");
  EXPECT_EQ(code_of([&] { host.container("again"); }), Code::not_found);
}

}  // namespace
}  // namespace sovirt::tests
