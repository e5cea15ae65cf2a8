#include "daemon/domain/container_copies.hpp"
#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

class CopiesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
    host.put(Kind::bridge, "brso1", bridge_spec());
    host.put(Kind::container, "web", {{"image", "busy"}, {"hostname", "www"}, {"nics", {{{"bridge", "brso1"}}}}, {"labels", {{"tier", "front"}}}});
  }
  ContainerCopies& copies() { return host.service().copies(); }
  ChangeResult copy(const std::string& from, const std::string& to, Identity identity = Identity::fail) {
    return copies().copy(from, {to, identity}, {});
  }
  // As a program inside would: until the next freeze it is what the container itself has written.
  void write(const std::string& name, const std::string& path, const std::string& content) {
    const std::string upper = host.container(name).at("status").at("rootfs").at("upper").get<std::string>();
    const std::string directory = upper.substr(0, upper.rfind('/'));
    auto files = host.roots.files(directory);
    files[path] = content;
    host.roots.set_files(directory, files);
  }
  Json layers(const std::string& name) { return host.container(name).at("status").at("rootfs").at("layers"); }
  std::string mac(const std::string& name) { return host.container(name).at("status").at("nics").at(0).at("mac").get<std::string>(); }
  Json addresses(const std::string& name) { return host.container(name).at("spec").at("nics").at(0).at("addresses"); }
  Json wait(const ChangeResult& result) {
    Host::eventually([&] { return host.service().operation(result.operation).at("state") != "running"; });
    return host.service().operation(result.operation);
  }
  Host host;
};

TEST_F(CopiesTest, ACopySharesWhatItsOriginalHasWritten) {
  write("web", "/etc/motd", "hello");
  const ChangeResult result = copy("web", "so1");
  EXPECT_TRUE(result.created);
  EXPECT_EQ(result.body.at("name"), "so1");
  EXPECT_EQ(result.body.at("labels").at("tier"), "front");
  EXPECT_EQ(result.body.at("status").at("state"), "created");
  ASSERT_EQ(layers("so1").size(), 1u);
  EXPECT_EQ(layers("so1"), layers("web"));
  EXPECT_EQ(host.roots.files(layers("so1").at(0).get<std::string>()).at("/etc/motd"), "hello");
  EXPECT_EQ(host.layers.identities(), 1);
  EXPECT_EQ(host.container("so1").at("spec").at("hostname"), nullptr) << "a host name is always new";
  EXPECT_NE(mac("so1"), mac("web"));
  EXPECT_EQ(host.container("web").at("revision"), 1) << "nothing else was asked of the original";
  host.state("so1", Desired::running);
  host.state("web", Desired::running);
}

TEST_F(CopiesTest, AnUnchangedOriginalGetsNoFurtherLayer) {
  write("web", "/file", "1");
  for (const char* name : {"a", "b", "c"}) copy("web", name);
  EXPECT_EQ(layers("web").size(), 1u);
  EXPECT_EQ(layers("c").size(), 1u);
}

TEST_F(CopiesTest, LayersGoWithTheLastOneThatStandsOnThem) {
  write("web", "/file", "1");
  copy("web", "so1");
  const std::string layer = layers("so1").at(0).get<std::string>();
  host.service().remove(Kind::container, "web", {});
  EXPECT_TRUE(host.roots.exists(layer));
  host.service().remove(Kind::container, "so1", {});
  EXPECT_FALSE(host.roots.exists(layer));
}

TEST_F(CopiesTest, NamesThatAreTakenAreRefused) {
  const std::string before = host.kernel();
  EXPECT_EQ(conflicts_of([&] { copy("web", "web"); }), std::vector<std::string>{"container/web"});
  EXPECT_EQ(code_of([&] { copy("web", "web"); }), Code::exists);
  EXPECT_EQ(code_of([&] { copy("none", "so1"); }), Code::not_found);
  EXPECT_EQ(code_of([&] { copies().rename("web", "web", {}); }), Code::exists);
  EXPECT_EQ(host.kernel(), before);
}

TEST_F(CopiesTest, AFixedAddressIsRefusedNamingItsHolder) {
  host.put(Kind::container, "fixed", container_spec());
  const std::string before = host.kernel();
  EXPECT_EQ(code_of([&] { copy("fixed", "so1"); }), Code::duplicate);
  EXPECT_EQ(conflicts_of([&] { copy("fixed", "so1"); }), std::vector<std::string>{"container/fixed"});
  EXPECT_EQ(code_of([&] { host.container("so1"); }), Code::not_found);
  EXPECT_EQ(host.kernel(), before);
}

TEST_F(CopiesTest, RegenerateTakesTheNextFreeAddressAndANewMac) {
  Json spec = container_spec();
  spec["nics"][0]["mac"] = "4a:49:43:49:79:bf";
  spec["nics"][0]["gateway"] = "172.16.2.11";
  host.put(Kind::container, "fixed", spec);
  host.put(Kind::container, "next", container_spec("172.16.2.12/24"));
  copy("fixed", "so1", Identity::regenerate);
  EXPECT_EQ(addresses("so1"), Json::array({"172.16.2.13/24"}));
  EXPECT_NE(mac("so1"), "4a:49:43:49:79:bf");
  copy("so1", "so2", Identity::regenerate);
  EXPECT_EQ(addresses("so2"), Json::array({"172.16.2.14/24"}));
}

TEST_F(CopiesTest, AFullSubnetHasNoFreeAddress) {
  host.put(Kind::bridge, "brtiny", bridge_spec("10.9.0.1/30"));
  Json spec = container_spec("10.9.0.2/30");
  spec["nics"][0]["bridge"] = "brtiny";
  host.put(Kind::container, "fixed", spec);
  EXPECT_EQ(code_of([&] { copy("fixed", "so1", Identity::regenerate); }), Code::duplicate);
}

TEST_F(CopiesTest, KeepLetsOneOfTheTwoRunAtATime) {
  host.put(Kind::container, "fixed", container_spec());
  copy("fixed", "so1", Identity::keep);
  EXPECT_EQ(addresses("so1"), Json::array({"172.16.2.10/24"}));
  const Json shared = host.container("so1").at("status").at("shared_identity");
  ASSERT_EQ(shared.size(), 1u);
  EXPECT_EQ(shared.at(0).at("with"), Json::array({"container/fixed"}));
  host.state("fixed", Desired::running);
  EXPECT_EQ(conflicts_of([&] { host.state("so1", Desired::running); }), std::vector<std::string>{"container/fixed"});
  host.state("fixed", Desired::stopped);
  host.state("so1", Desired::running);
  EXPECT_EQ(conflicts_of([&] { host.state("fixed", Desired::running); }), std::vector<std::string>{"container/so1"});
  host.start();   // and so it is after a restart of the daemon
  EXPECT_EQ(conflicts_of([&] { host.state("fixed", Desired::running); }), std::vector<std::string>{"container/so1"});
  host.state("so1", Desired::stopped);
  // With an address of its own nothing is shared any more.
  host.service().patch(Kind::container, "so1", {{"nics", container_spec("172.16.2.20/24").at("nics")}}, {});
  EXPECT_FALSE(host.container("so1").at("status").contains("shared_identity"));
  host.state("fixed", Desired::running);
  host.state("so1", Desired::running);
}

TEST_F(CopiesTest, ACopyStandsOnTheImageOfItsOriginal) {
  const Json digest = host.container("web").at("status").at("image_digest");
  host.put(Kind::image, "busy", {{"source", {{"type", "binaries"}, {"binaries", {"/bin/other"}}}}});
  Host::eventually([&] { return host.service().get(Kind::image, "busy").at("status").at("digest") != digest; });
  copy("web", "so1");
  EXPECT_EQ(host.container("so1").at("status").at("image_digest"), digest);
}

TEST_F(CopiesTest, AnyFailureOfACopyLeavesEverythingAsItWas) {
  write("web", "/file", "1");
  const std::string before = host.kernel();
  for (int call = 2; call <= 3; ++call) {   // the first only looks
    host.layers.fail_call(call, Error{Code::disk_full, "full"});
    EXPECT_EQ(code_of([&] { copy("web", "so1"); }), Code::disk_full) << call;
    EXPECT_EQ(host.kernel(), before) << call;
    EXPECT_EQ(code_of([&] { host.container("so1"); }), Code::not_found);
    EXPECT_TRUE(layers("web").empty());
  }
  copy("web", "so1");
  EXPECT_EQ(layers("web").size(), 1u);
}

TEST_F(CopiesTest, ADryRunShowsThePlanAndChangesNothing) {
  write("web", "/file", "1");
  const std::string before = host.kernel();
  ChangeContext dry;
  dry.dry_run = true;
  const Json plan = copies().copy("web", {"so1", Identity::fail}, dry).body;
  ASSERT_EQ(plan.at("steps").size(), 3u) << plan.dump(1);
  EXPECT_EQ(plan.at("steps").at(0).at("action"), "layer.freeze");
  EXPECT_EQ(host.kernel(), before);
}

TEST_F(CopiesTest, ARunningOriginalIsCopiedByAnOperationAndRunsOn) {
  write("web", "/file", "1");
  host.state("web", Desired::running);
  const ChangeResult result = copy("web", "so1");
  ASSERT_FALSE(result.operation.empty());
  const Json operation = wait(result);
  ASSERT_EQ(operation.at("state"), "done") << operation.dump();
  EXPECT_EQ(operation.at("result").at("name"), "so1");
  EXPECT_EQ(host.state_of("web"), "running");
  EXPECT_TRUE(layers("web").empty()) << "its overlay is mounted and stays as it is";
  ASSERT_EQ(layers("so1").size(), 1u);
  EXPECT_EQ(host.roots.files(layers("so1").at(0).get<std::string>()).at("/file"), "1");
}

TEST_F(CopiesTest, AFailedCopyOfARunningOneLeavesItRunning) {
  host.state("web", Desired::running);
  const std::string before = host.kernel();
  host.layers.fail_call(1, Error{Code::disk_full, "full"});
  const Json operation = wait(copy("web", "so1"));
  EXPECT_EQ(operation.at("state"), "failed");
  EXPECT_EQ(operation.at("error").at("code"), "disk-full");
  EXPECT_EQ(host.kernel(), before);
  EXPECT_FALSE(host.groups.frozen(host.groups.groups().front()));
  host.state("web", Desired::stopped);
}

TEST_F(CopiesTest, RenameKeepsEverythingElse) {
  write("web", "/file", "1");
  const Json before = host.container("web");
  const Json after = copies().rename("web", "www", {}).body;
  EXPECT_EQ(after.at("name"), "www");
  EXPECT_EQ(after.at("uid"), before.at("uid"));
  EXPECT_EQ(after.at("spec"), before.at("spec"));
  EXPECT_EQ(after.at("revision"), 2);
  EXPECT_EQ(code_of([&] { host.container("web"); }), Code::not_found);
  const auto told = host.service().events(0, {"container", "www", "renamed"}, 10);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told.front().data.at("from"), "web");
  host.start();
  EXPECT_EQ(host.container("www").at("uid"), before.at("uid"));
  EXPECT_EQ(code_of([&] { host.container("web"); }), Code::not_found);
  host.put(Kind::container, "web", {{"image", "busy"}});   // the name is free
  host.state("www", Desired::running);
  EXPECT_NE(host.kernel().find("group:www."), std::string::npos) << host.kernel();
}

TEST_F(CopiesTest, ARunningContainerKeepsItsName) {
  host.state("web", Desired::running);
  EXPECT_EQ(code_of([&] { copies().rename("web", "www", {}); }), Code::conflict);
  EXPECT_EQ(host.state_of("web"), "running");
}

}  // namespace
}  // namespace sovirt::tests
