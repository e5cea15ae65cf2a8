// dnsmasq, DHCP clients, NICs of the host as ports, and changes that wait for a confirmation.
#include <nlohmann/json.hpp>

#include "daemon/domain/confirmations.hpp"
#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

class Services : public testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
    host.network.foreign_create_link("nic0", "veth");
    host.network.foreign_change_link("nic0", {.mtu = {}, .mac = {}, .stp = {}, .up = true, .master = {}});
    host.network.foreign_add_address("nic0", *Cidr::parse("192.0.2.5/24"));
    host.uplinks.add_route("nic0", "default via 192.0.2.1");
  }
  Json bridge(const std::string& name, Json spec, const ChangeContext& context = {}) { return host.put(Kind::bridge, name, spec, context).body; }
  static Json served(const std::string& address = "10.0.0.1/24") { return {{"addresses", {address}}, {"dhcp", {{"enabled", true}}}, {"dns", {{"enabled", true}}}}; }
  std::string key(const std::string& name) { return "dnsmasq-" + host.service().get(Kind::bridge, name).at("uid").get<std::string>(); }
  std::vector<std::string> addresses(const std::string& link) {
    std::vector<std::string> out;
    const auto state = host.network.find_link(link);
    for (const Cidr& cidr : state->addresses) out.push_back(cidr.text());
    return out;
  }
  bool is_port() {
    const auto link = host.network.find_link("nic0"), br = host.network.find_link("lan");
    return br && link->master == br->ifindex;
  }
  // As it was before anything was asked.
  void expect_untouched() {
    EXPECT_EQ(host.network.find_link("nic0")->master, 0);
    EXPECT_TRUE(host.network.find_link("nic0")->up);
    EXPECT_EQ(addresses("nic0"), (std::vector<std::string>{"192.0.2.5/24"}));
    EXPECT_EQ(host.uplinks.belongings("nic0").route_data.size(), 1U);
  }
  Host host;
};
using Texts = std::vector<std::string>;

TEST_F(Services, DnsmasqComesGoesAndFollowsTheSpec) {
  bridge("br0", served());
  const std::string name = key("br0");
  EXPECT_TRUE(host.helpers.alive(name));
  EXPECT_NE(host.helpers.read(name, "dnsmasq.conf")->find("dhcp-range=10.0.0.1,10.0.0.254,255.255.255.0,3600"), std::string::npos);
  bridge("br0", {{"addresses", {"10.0.0.1/24"}}});
  EXPECT_FALSE(host.helpers.alive(name));
  bridge("br0", served());
  EXPECT_TRUE(host.helpers.alive(name));
  host.service().remove(Kind::bridge, "br0", {});
  EXPECT_TRUE(host.helpers.known().empty());
}

TEST_F(Services, WithoutDnsmasqOnTheHostItIsUnsupported) {
  host.helpers.uninstall("dnsmasq");
  EXPECT_EQ(code_of([&] { bridge("br0", served()); }), Code::unsupported);
  EXPECT_FALSE(host.network.find_link("br0"));
}

TEST_F(Services, AFailedStartUndoesTheBridge) {
  host.helpers.fail_start(Error{Code::conflict, "dnsmasq ended at once: made up"});
  EXPECT_EQ(code_of([&] { bridge("br0", served()); }), Code::conflict);
  EXPECT_FALSE(host.network.find_link("br0"));
  EXPECT_TRUE(host.helpers.known().empty());
}

TEST_F(Services, DnsmasqThatDiesIsStartedAgainUnlessPolicySaysObserve) {
  bridge("br0", served());
  host.helpers.kill(key("br0"));
  Host::eventually([&] { return host.helpers.alive(key("br0")); });
  Json watched = served("10.0.1.1/24");
  watched["policy"] = "observe";
  bridge("br1", watched);
  host.helpers.kill(key("br1"));
  Host::eventually([&] { return host.service().get(Kind::bridge, "br1").at("status").at("state") == "drifted"; });
  EXPECT_FALSE(host.helpers.alive(key("br1")));
}

TEST_F(Services, DnsmasqIsToldOfContainers) {
  bridge("br0", served());
  host.put(Kind::container, "web", {{"image", "busy"}, {"nics", {{{"bridge", "br0"}, {"addresses", {"10.0.0.9/24"}}}}}});
  const auto told = [&](const char* file, const char* text) { return host.helpers.read(key("br0"), file).value_or("").find(text) != std::string::npos; };
  Host::eventually([&] { return told("names", "10.0.0.9 web.sovirt web"); });
  Host::eventually([&] { return told("reservations", ",10.0.0.9,web"); });
  host.service().remove(Kind::container, "web", {});
  Host::eventually([&] { return !told("names", "web"); });
}

TEST_F(Services, LeasesAreShownAndKeptFromContainers) {
  bridge("br0", served());
  host.helpers.write(key("br0"), "leases", "4102444800 4a:49:43:49:79:bf 10.0.0.50 guest 01:4a\n1 4a:49:43:49:79:be 10.0.0.51 old *\nnonsense\n");
  const Json leases = host.service().get(Kind::bridge, "br0").at("status").at("leases");
  ASSERT_EQ(leases.size(), 1U) << leases;
  EXPECT_EQ(leases[0].at("address"), "10.0.0.50");
  EXPECT_EQ(leases[0].at("name"), "guest");
  const auto taker = [&](const char* address) {
    host.put(Kind::container, "taker", {{"image", "busy"}, {"nics", {{{"bridge", "br0"}, {"addresses", {address}}}}}});
  };
  EXPECT_EQ(code_of([&] { taker("10.0.0.50/24"); }), Code::duplicate);
  taker("10.0.0.51/24");
}

TEST_F(Services, APortGivesItsAddressesAndRoutesAndGetsThemBack) {
  bridge("lan", {{"ports", {"nic0"}}, {"address_from", "port"}});
  EXPECT_TRUE(is_port());
  EXPECT_EQ(addresses("nic0"), Texts{});
  EXPECT_EQ(addresses("lan"), Texts{"192.0.2.5/24"});
  EXPECT_EQ(host.uplinks.belongings("lan").route_data.size(), 1U);
  EXPECT_EQ(host.network.find_link("lan")->mac, host.network.find_link("nic0")->mac);
  bridge("lan", {{"ports", {"nic0"}}, {"address_from", "port"}, {"stp", true}});
  EXPECT_EQ(addresses("lan"), Texts{"192.0.2.5/24"});
  host.service().remove(Kind::bridge, "lan", {});
  expect_untouched();
  bridge("lan", {{"ports", {"nic0"}}, {"address_from", "port"}});
  bridge("lan", Json::object());
  expect_untouched();
}

TEST_F(Services, AStaticBridgeGetsTheRoutesOfItsSubnet) {
  bridge("lan", {{"ports", {"nic0"}}, {"addresses", {"192.0.2.5/24"}}});
  EXPECT_EQ(addresses("nic0"), Texts{});
  EXPECT_EQ(host.uplinks.belongings("lan").route_data.size(), 1U);
  host.service().remove(Kind::bridge, "lan", {});
  expect_untouched();
}

TEST_F(Services, AFailureLeavesTheNicAsItWas) {
  host.uplinks.fail_give(Error{Code::internal, "made up"});
  EXPECT_EQ(code_of([&] { bridge("lan", {{"ports", {"nic0"}}, {"address_from", "port"}}); }), Code::internal);
  expect_untouched();
  EXPECT_FALSE(host.network.find_link("lan"));
}

TEST_F(Services, PortsThatCannotBe) {
  host.network.foreign_create_link("foreign0", "bridge");
  bridge("br0", {{"addresses", {"10.0.0.1/24"}}});
  const auto with = [&](const char* port) { return code_of([&] { bridge("lan", {{"ports", {port}}}); }); };
  EXPECT_EQ(with("lan"), Code::invalid);
  EXPECT_EQ(with("absent0"), Code::not_found);
  EXPECT_EQ(with("foreign0"), Code::invalid);
  EXPECT_EQ(with("br0"), Code::duplicate);
  EXPECT_EQ(with("lo"), Code::invalid);
  LinkChange enslave;
  enslave.master = host.network.find_link("foreign0")->ifindex;
  host.network.foreign_change_link("nic0", enslave);
  EXPECT_EQ(with("nic0"), Code::conflict);
  EXPECT_FALSE(host.network.find_link("lan"));
}

TEST_F(Services, APortIsOneBridgesOnly) {
  bridge("lan", {{"ports", {"nic0"}}});
  EXPECT_EQ(code_of([&] { bridge("other", {{"ports", {"nic0"}}}); }), Code::duplicate);
}

TEST_F(Services, APortThatIsTakenOutComesBack) {
  bridge("lan", {{"ports", {"nic0"}}, {"address_from", "port"}});
  LinkChange out;
  out.master = 0;
  host.network.foreign_change_link("nic0", out);
  Host::eventually([&] { return is_port(); });
  EXPECT_EQ(addresses("lan"), Texts{"192.0.2.5/24"});
  host.network.foreign_remove_address("lan", *Cidr::parse("192.0.2.5/24"));
  Host::eventually([&] { return addresses("lan") == Texts{"192.0.2.5/24"}; });
}

TEST_F(Services, ANicThatComesLateMakesItsBridgeReady) {
  bridge("lan", {{"ports", {"nic0"}}});
  host.stop();
  host.network.foreign_delete_link("nic0");
  host.network.foreign_delete_link("lan");
  host.start("boot-2");
  const auto ready = [&] {
    const Json document = host.service().get(Kind::bridge, "lan");
    for (const Json& one : document.at("status").at("conditions"))
      if (one.at("type") == "Ready") return one.at("status") == true;
    return false;
  };
  EXPECT_FALSE(ready());
  host.network.foreign_create_link("nic0", "veth");
  Host::eventually([&] { return ready() && is_port(); });
}

TEST_F(Services, WhatNobodyConfirmsIsUndone) {
  ChangeContext guarded;
  guarded.confirm_within = std::chrono::seconds{1};
  bridge("lan", {{"ports", {"nic0"}}, {"address_from", "port"}}, guarded);
  EXPECT_TRUE(is_port());
  Host::eventually([&] { return !host.network.find_link("lan"); });
  expect_untouched();
}

TEST_F(Services, WhatIsConfirmedStays) {
  ChangeContext guarded;
  guarded.confirm_within = std::chrono::seconds{1};
  EXPECT_EQ(code_of([&] { host.service().confirmations().confirm("lan", {}); }), Code::not_found);
  bridge("lan", {{"ports", {"nic0"}}}, guarded);
  host.service().confirmations().confirm("lan", {});
  EXPECT_EQ(code_of([&] { host.service().confirmations().confirm("lan", {}); }), Code::conflict);
  std::this_thread::sleep_for(std::chrono::milliseconds{1200});
  EXPECT_TRUE(is_port());
}

TEST_F(Services, TheDeathOfTheDaemonIsNoConfirmation) {
  bridge("lan", {{"mtu", 1400}});
  ChangeContext guarded;
  guarded.confirm_within = std::chrono::seconds{1};
  bridge("lan", {{"mtu", 1400}, {"ports", {"nic0"}}, {"address_from", "port"}}, guarded);
  host.stop();
  EXPECT_TRUE(is_port());
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  host.start();
  Host::eventually([&] { return host.network.find_link("nic0")->master == 0; });
  expect_untouched();
  EXPECT_EQ(host.network.find_link("lan")->mtu, 1400U);
}

TEST_F(Services, AClientForABridgeAndForANic) {
  bridge("lan", {{"ports", {"nic0"}}, {"address_from", "dhcp"}});
  const std::string key = "dhcp-" + host.service().get(Kind::bridge, "lan").at("uid").get<std::string>();
  EXPECT_TRUE(host.helpers.alive(key));
  EXPECT_EQ(addresses("nic0"), Texts{});
  host.helpers.kill(key);
  Host::eventually([&] { return host.helpers.alive(key); });
  host.put(Kind::container, "web", {{"image", "busy"}, {"command", {"/bin/busy"}}, {"nics", {{{"bridge", "lan"}, {"dhcp", true}}}}});
  host.state("web", Desired::running);
  const std::string nic = "dhcp-" + host.container("web").at("uid").get<std::string>() + "-0";
  EXPECT_TRUE(host.helpers.alive(nic));
  host.helpers.kill(nic);
  Host::eventually([&] { return host.helpers.alive(nic); });
  host.state("web", Desired::stopped, true);
  EXPECT_FALSE(host.helpers.alive(nic));
  host.service().remove(Kind::container, "web", {});
  host.service().remove(Kind::bridge, "lan", {});
  EXPECT_TRUE(host.helpers.known().empty());
  expect_untouched();
}

}  // namespace
}  // namespace sovirt::tests
