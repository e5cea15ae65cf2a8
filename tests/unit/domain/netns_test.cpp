#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

class Netns : public testing::Test {
 protected:
  void SetUp() override { host.start(); }
  Json status(const std::string& name) { return host.service().get(Kind::netns, name).at("status"); }
  Host host;
};

TEST_F(Netns, IsMadeMarkedAndDeleted) {
  EXPECT_TRUE(host.put(Kind::netns, "nsserver", Json::object()).created);
  const auto pin = host.namespaces.find("nsserver");
  ASSERT_TRUE(pin);
  EXPECT_EQ(pin->mark, host.service().get(Kind::netns, "nsserver").at("uid"));
  EXPECT_EQ(status("nsserver").at("state"), "ready");
  host.service().remove(Kind::netns, "nsserver", {});
  EXPECT_FALSE(host.namespaces.find("nsserver"));
}

TEST_F(Netns, ForeignOneIsAdoptedOnlyWhenAsked) {
  const unique_fd foreign = host.namespaces.foreign_netns("theirs");
  EXPECT_EQ(code_of([&] { host.put(Kind::netns, "theirs", {{"adopt", false}}); }), Code::conflict);
  EXPECT_EQ(host.namespaces.find("theirs")->mark, "");
  const auto inode = host.namespaces.inode("theirs");
  host.put(Kind::netns, "theirs", Json::object());
  EXPECT_EQ(status("theirs").at("inode"), inode);
}

TEST_F(Netns, FailedChangeLeavesNothing) {
  const std::string before = host.namespaces.text();
  for (int n = 1; n <= 2; ++n) {
    host.namespaces.fail_change(n, Error{Code::disk_full, "made up"});
    EXPECT_EQ(code_of([&] { host.put(Kind::netns, "nsserver", {{"sysctls", {{"net.ipv4.ip_forward", "1"}}}}); }), Code::disk_full) << n;
    EXPECT_EQ(host.namespaces.text(), before) << n;
    EXPECT_EQ(code_of([&] { host.service().get(Kind::netns, "nsserver"); }), Code::not_found);
  }
}

TEST_F(Netns, UnknownSettingIsRefusedWithItsPointer) {
  try {
    host.put(Kind::netns, "nsserver", {{"sysctls", {{"net.ipv4.no_such", "1"}}}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid);
    ASSERT_EQ(error.fields().size(), 1U);
    EXPECT_EQ(error.fields()[0].pointer, "/sysctls/net.ipv4.no_such");
  }
  EXPECT_EQ(host.namespaces.text(), "");
}

TEST_F(Netns, SettingGoesBackToWhatAFreshOneHas) {
  host.put(Kind::netns, "nsserver", {{"sysctls", {{"net.ipv4.ip_forward", true}}}});
  EXPECT_EQ(host.namespaces.sysctl(host.namespaces.open("nsserver").get(), "net.ipv4.ip_forward"), "1");
  host.put(Kind::netns, "nsserver", Json::object());
  EXPECT_EQ(host.namespaces.sysctl(host.namespaces.open("nsserver").get(), "net.ipv4.ip_forward"), "0");
}

TEST_F(Netns, OneWithAProcessStays) {
  host.put(Kind::netns, "nsserver", Json::object());
  host.namespaces.add_process(host.namespaces.open("nsserver").get(), {4711, "nc"});
  EXPECT_EQ(conflicts_of([&] { host.service().remove(Kind::netns, "nsserver", {}); }), std::vector<std::string>{"process/4711 (nc)"});
  EXPECT_TRUE(host.namespaces.find("nsserver"));
}

TEST_F(Netns, UnpinnedIsPinnedAgainWithTheSameNamespace) {
  host.put(Kind::netns, "nsserver", Json::object());
  const auto inode = host.namespaces.inode("nsserver");
  host.namespaces.foreign_unpin("nsserver");
  Host::eventually([&] { return host.namespaces.inode("nsserver") == inode; });
}

TEST_F(Netns, NameTakenMeanwhileIsNotTouched) {
  host.put(Kind::netns, "nsserver", {{"policy", "observe"}});
  host.namespaces.foreign_unpin("nsserver");
  const unique_fd foreign = host.namespaces.foreign_netns("nsserver");
  Host::eventually([&] {
    const Json shown = status("nsserver");
    for (const Json& c : shown.at("conditions"))
      if (c.at("type") == "Ready" && c.at("status") == false) return true;
    return false;
  });
  EXPECT_EQ(host.namespaces.find("nsserver")->mark, "");
}

TEST_F(Netns, OrphanOfACrashIsRemovedAtStart) {
  host.stop();
  host.namespaces.create("orphan", "abcdefgh-aaaaaaaaaaaa");
  host.namespaces.create("others", "zzzzzzzz-aaaaaaaaaaaa");
  host.start();
  EXPECT_FALSE(host.namespaces.find("orphan"));
  EXPECT_TRUE(host.namespaces.find("others"));
}

}  // namespace
}  // namespace sovirt::tests
