#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

TEST(Bridges, PutMakesItAndTheSameAgainIsNothing) {
  Host host;
  host.start();
  const auto made = host.put(Kind::bridge, "brso1", bridge_spec());
  EXPECT_TRUE(made.created);
  const auto link = host.network.find_link("brso1");
  ASSERT_TRUE(link);
  EXPECT_TRUE(link->up);
  ASSERT_EQ(link->addresses.size(), 1U);
  EXPECT_EQ(link->addresses[0].text(), "172.16.2.1/24");
  const auto again = host.put(Kind::bridge, "brso1", bridge_spec());
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.revision, made.revision);
}

TEST(Bridges, AForeignInterfaceIsLeftAlone) {
  Host host;
  host.start();
  host.network.foreign_create_link("brso1", "bridge");
  EXPECT_EQ(code_of([&] { host.put(Kind::bridge, "brso1", bridge_spec()); }), Code::conflict);
  EXPECT_TRUE(host.network.find_link("brso1")->mark.empty());
  EXPECT_EQ(code_of([&] { host.service().get(Kind::bridge, "brso1"); }), Code::not_found);
}

TEST(Bridges, OverlappingSubnetsNameTheHolder) {
  Host host;
  host.start();
  host.put(Kind::bridge, "br1", bridge_spec("10.1.0.1/16"));
  EXPECT_EQ(conflicts_of([&] { host.put(Kind::bridge, "br2", bridge_spec("10.1.2.1/24")); }), std::vector<std::string>{"bridge/br1"});
  EXPECT_FALSE(host.network.find_link("br2"));
}

// Whatever call of the kernel fails, a put changes nothing.
TEST(Bridges, AnyFailureLeavesNothing) {
  int failures = 0;
  for (int nth = 1; nth < 20; ++nth) {
    Host host;
    host.start();
    host.network.fail_call(nth, Error{Code::internal, "injected"});
    try {
      host.put(Kind::bridge, "brso1", {{"addresses", {"172.16.2.1/24", "fd00::1/64"}}});
      EXPECT_EQ(host.service().list(Kind::bridge, {}).items.size(), 1U);  // at most the look afterwards failed
      if (host.network.calls() < nth) break;
    } catch (const Error&) {
      ++failures;
      EXPECT_FALSE(host.network.find_link("brso1")) << "call " << nth;
      EXPECT_EQ(code_of([&] { host.service().get(Kind::bridge, "brso1"); }), Code::not_found) << "call " << nth;
      EXPECT_TRUE(host.store->load().journal.empty()) << "call " << nth;
    }
  }
  EXPECT_GE(failures, 4);
}

TEST(Bridges, AnUpdateThatFailsGoesBack) {
  Host host;
  host.start();
  host.put(Kind::bridge, "brso1", bridge_spec());
  const Json wanted{{"addresses", {"10.9.0.1/24"}}, {"mtu", 9000}};
  for (int nth = 2; nth < 5; ++nth) {
    host.network.fail_call(nth, Error{Code::internal, "injected"});
    try {
      host.put(Kind::bridge, "brso1", wanted);
      FAIL() << "call " << nth << " was not needed";
    } catch (const Error&) {
    }
    const auto link = host.network.find_link("brso1");
    EXPECT_EQ(link->mtu, 1500U) << nth;
    ASSERT_EQ(link->addresses.size(), 1U) << nth;
    EXPECT_EQ(link->addresses[0].text(), "172.16.2.1/24") << nth;
    EXPECT_EQ(host.service().get(Kind::bridge, "brso1").at("revision"), 1) << nth;
  }
}

TEST(Bridges, DryRunShowsStepsAndChangesNothing) {
  Host host;
  host.start();
  ChangeContext dry;
  dry.dry_run = true;
  const auto result = host.put(Kind::bridge, "brso1", bridge_spec(), dry);
  EXPECT_EQ(result.body.at("change"), "create");
  EXPECT_EQ(result.body.at("steps").at(0).at("action"), "bridge.create");
  EXPECT_FALSE(host.network.find_link("brso1"));
}

TEST(Bridges, IfMatchOfAnOldRevisionIsRefused) {
  Host host;
  host.start();
  host.put(Kind::bridge, "brso1", bridge_spec());
  ChangeContext context;
  context.if_match = 7;
  EXPECT_EQ(code_of([&] { host.put(Kind::bridge, "brso1", bridge_spec("10.0.0.1/24"), context); }), Code::precondition_failed);
  context.if_match = 1;
  EXPECT_EQ(host.put(Kind::bridge, "brso1", bridge_spec("10.0.0.1/24"), context).revision, 2);
}

TEST(Bridges, DriftIsRepairedOrReported) {
  Host host;
  host.start();
  host.put(Kind::bridge, "brso1", bridge_spec());
  host.put(Kind::bridge, "brso2", {{"addresses", {"10.9.0.1/24"}}, {"policy", "observe"}});
  host.network.foreign_remove_address("brso1", Cidr::parse("172.16.2.1/24").value());
  host.network.foreign_remove_address("brso2", Cidr::parse("10.9.0.1/24").value());
  Host::eventually([&] { return host.network.find_link("brso1")->addresses.size() == 1; });
  Host::eventually([&] { return host.service().get(Kind::bridge, "brso2").at("status").at("state") == "drifted"; });
  EXPECT_TRUE(host.network.find_link("brso2")->addresses.empty());
  host.network.foreign_delete_link("brso1");
  Host::eventually([&] { return host.network.find_link("brso1").has_value(); });
  bool drifted = false;
  bool repaired = false;
  for (const Event& event : host.service().events(0, {"bridge", "brso1", ""}, 100)) {
    drifted = drifted || event.type == "drifted";
    repaired = repaired || event.type == "repaired";
  }
  EXPECT_TRUE(drifted);
  EXPECT_TRUE(repaired);
}

TEST(Bridges, PatchMergesAndHistoryReverts) {
  Host host;
  host.start();
  host.put(Kind::bridge, "brso1", bridge_spec());
  host.service().patch(Kind::bridge, "brso1", {{"mtu", 1400}, {"labels", {{"env", "lab"}}}}, {});
  EXPECT_EQ(host.network.find_link("brso1")->mtu, 1400U);
  EXPECT_EQ(host.service().history(Kind::bridge, "brso1").at("items").size(), 2U);
  host.service().revert(Kind::bridge, "brso1", 1, {});
  EXPECT_EQ(host.network.find_link("brso1")->mtu, 1500U);
  EXPECT_EQ(host.service().get(Kind::bridge, "brso1").at("revision"), 3);
}

}  // namespace
}  // namespace sovirt::tests
