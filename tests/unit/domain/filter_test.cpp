// nat, isolation and published ports: what they make of the packet filter, and how it is kept so.
#include <nlohmann/json.hpp>

#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

class PacketRulesTest : public testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
  }
  void bridge(const std::string& name, const std::string& address, Json more = Json::object()) {
    more["addresses"] = {address};
    host.put(Kind::bridge, name, more);
  }
  Json web(int port, const std::string& address = "10.0.0.2/24", bool gateway = true) {
    Json nic{{"bridge", "br0"}, {"addresses", {address}}, {"publish", {{{"host_port", port}, {"port", 80}}}}};
    if (gateway) nic["gateway"] = "10.0.0.1";
    return {{"image", "busy"}, {"command", {"/bin/busy"}}, {"nics", {nic}}};
  }
  bool drifted(const std::string& name) {
    const Json bridge = host.service().get(Kind::bridge, name);
    for (const Json& one : bridge.at("status").at("conditions"))
      if (one.at("type") == "Drifted" && one.at("status") == true) return true;
    return false;
  }
  Code code_of(const std::function<void()>& action, std::string* holder = nullptr) {
    try {
      action();
    } catch (const Error& error) {
      if (holder && !error.conflicts_with().empty()) *holder = error.conflicts_with().front();
      return error.code();
    }
    ADD_FAILURE() << "no error";
    return Code::internal;
  }
  Host host;
};

TEST_F(PacketRulesTest, APlainBridgeNeedsNoPacketFilter) {
  host.filter.lack("everything");
  bridge("br0", "10.0.0.1/24");
  EXPECT_EQ(host.filter.replacements(), 0);
}

TEST_F(PacketRulesTest, NatAndIsolationAreRefusedWhereTheHostHasNoPacketFilter) {
  host.filter.lack("the program nft");
  EXPECT_EQ(code_of([&] { bridge("br0", "10.0.0.1/24", {{"nat", true}}); }), Code::unsupported);
  EXPECT_EQ(code_of([&] { bridge("br0", "10.0.0.1/24", {{"isolation", true}}); }), Code::unsupported);
  bridge("br0", "10.0.0.1/24");
  EXPECT_EQ(code_of([&] { host.put(Kind::container, "web", web(8080)); }), Code::unsupported);
}

TEST_F(PacketRulesTest, NatIsPutChangedAndTakenAway) {
  bridge("br0", "10.0.0.1/24", {{"nat", true}});
  ASSERT_EQ(host.filter.rules().bridges.size(), 1U);
  EXPECT_TRUE(host.filter.rules().bridges[0].masquerade);
  EXPECT_FALSE(host.filter.rules().bridges[0].v6);
  bridge("br0", "10.0.0.1/24", {{"nat", false}});
  EXPECT_TRUE(host.filter.rules().empty());
  bridge("br0", "10.0.0.1/24", {{"nat", true}});
  host.service().remove(Kind::bridge, "br0", {});
  EXPECT_TRUE(host.filter.rules().empty());
}

TEST_F(PacketRulesTest, IsolationNamesBridgesThatComeAndGoLater) {
  bridge("br0", "10.0.0.1/24", {{"isolation", true}});
  bridge("br1", "10.0.1.1/24");
  EXPECT_EQ(host.filter.rules().bridges.size(), 2U);
  host.service().remove(Kind::bridge, "br1", {});
  EXPECT_EQ(host.filter.rules().bridges.size(), 1U);
}

TEST_F(PacketRulesTest, PortsOfIsolatedBridgesAreIsolatedAndFollowTheSpec) {
  bridge("br0", "10.0.0.1/24", {{"isolation", true}});
  Json spec = web(8080);
  spec["nics"][0].erase("publish");
  host.put(Kind::container, "web", spec);
  host.state("web", Desired::running);
  const auto isolated = [&] {
    for (const LinkState& link : host.network.marked_links())
      if (link.kind == "veth") return link.isolated.value_or(false);
    return false;
  };
  EXPECT_TRUE(isolated());
  bridge("br0", "10.0.0.1/24", {{"isolation", false}});
  EXPECT_FALSE(isolated());
  bridge("br0", "10.0.0.1/24", {{"isolation", true}});
  EXPECT_TRUE(isolated());
}

TEST_F(PacketRulesTest, APortIsPublishedAsLongAsTheContainerRuns) {
  bridge("br0", "10.0.0.1/24");
  host.put(Kind::container, "web", web(8080));
  EXPECT_TRUE(host.filter.rules().empty());
  host.state("web", Desired::running);
  ASSERT_EQ(host.filter.rules().publications.size(), 1U);
  const Publication one = host.filter.rules().publications[0];
  EXPECT_EQ(one.host_port, 8080);
  EXPECT_EQ(one.port, 80);
  EXPECT_EQ(one.address.text(), "10.0.0.2/24");
  EXPECT_FALSE(one.no_way_back);
  host.state("web", Desired::stopped, true);
  EXPECT_TRUE(host.filter.rules().empty());
}

TEST_F(PacketRulesTest, AHostPortHasOneHolder) {
  bridge("br0", "10.0.0.1/24");
  host.put(Kind::container, "web", web(8080));
  std::string holder;
  EXPECT_EQ(code_of([&] { host.put(Kind::container, "other", web(8080, "10.0.0.3/24")); }, &holder), Code::duplicate);
  EXPECT_EQ(holder, "container/web");
  host.put(Kind::container, "other", web(8081, "10.0.0.3/24", false));
  host.state("other", Desired::running);
  EXPECT_TRUE(host.filter.rules().publications.at(0).no_way_back);
}

TEST_F(PacketRulesTest, AFailureLeavesTheRulesOfBefore) {
  bridge("br0", "10.0.0.1/24", {{"nat", true}});
  host.filter.fail_replace(1, Error{Code::internal, "made up"});
  EXPECT_EQ(code_of([&] { bridge("br1", "10.0.1.1/24", {{"isolation", true}}); }), Code::internal);
  EXPECT_EQ(host.filter.rules().bridges.size(), 1U);
  EXPECT_FALSE(host.network.find_link("br1"));
  host.filter.fail_replace(1, Error{Code::internal, "made up"});
  host.put(Kind::container, "web", web(8080));
  EXPECT_EQ(code_of([&] { host.state("web", Desired::running); }), Code::internal);
  EXPECT_TRUE(host.filter.rules().publications.empty());
}

TEST_F(PacketRulesTest, ForeignChangesAreRepaired) {
  bridge("br0", "10.0.0.1/24", {{"nat", true}});
  const FilterRules wanted = host.filter.rules();
  const auto whole = [&] { return host.filter.holds(wanted); };
  host.filter.foreign_flush();
  Host::eventually(whole);
  host.filter.foreign_edit();
  Host::eventually(whole);
  host.filter.foreign_switch_off();
  Host::eventually(whole);
}

TEST_F(PacketRulesTest, ForeignChangesAreReportedWherePolicySaysObserve) {
  bridge("br0", "10.0.0.1/24", {{"nat", true}, {"policy", "observe"}});
  host.filter.foreign_flush();
  Host::eventually([&] { return drifted("br0"); });
  EXPECT_TRUE(host.filter.rules().empty());
}

TEST_F(PacketRulesTest, ADaemonThatStartsAgainPutsWhatIsMissing) {
  bridge("br0", "10.0.0.1/24", {{"nat", true}});
  host.put(Kind::container, "web", web(8080));
  host.state("web", Desired::running);
  const FilterRules wanted = host.filter.rules();
  host.stop();
  host.filter.foreign_flush();
  host.start();
  EXPECT_TRUE(host.filter.holds(wanted));
}

TEST_F(PacketRulesTest, ADroppingChainIsNamed) {
  bridge("br0", "10.0.0.1/24", {{"nat", true}});
  bridge("br1", "10.0.1.1/24");
  host.filter.foreign_drop_chain("chain FORWARD of table ip filter");
  const auto blocked = [&](const char* name) {
    const Json document = host.service().get(Kind::bridge, name);
    for (const Json& one : document.at("status").at("conditions"))
      if (one.at("type") == "ForwardingBlocked") return one.at("message").get<std::string>().find("FORWARD") != std::string::npos;
    return false;
  };
  Host::eventually([&] { return blocked("br0"); });
  EXPECT_FALSE(blocked("br1"));
}

}  // namespace
}  // namespace sovirt::tests
