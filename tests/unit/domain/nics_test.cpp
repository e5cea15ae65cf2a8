#include <map>

#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

Json nic(const std::string& name, const std::string& address) { return {{"name", name}, {"bridge", "brso1"}, {"addresses", Json::array({address})}}; }

class Nics : public testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.image();
    host.put(Kind::bridge, "brso1", bridge_spec());
    host.put(Kind::netns, "ns1", Json::object());
    set(Json::array({nic("eth0", "172.16.2.10/24")}));
    host.state("web", Desired::running);
  }
  ChangeResult set(const Json& nics, const ChangeContext& context = {}) { return host.put(Kind::container, "web", {{"image", "busy"}, {"nics", nics}}, context); }
  std::map<std::string, LinkState> inside() {
    std::map<std::string, LinkState> out;
    const auto pid = host.container("web").at("status").at("pid").get<pid_t>();
    for (LinkState& link : host.network.links_in(host.network.open_netns(pid).get())) out[link.name] = link;
    return out;
  }
  Json status_of(const std::string& name) {
    const Json nics = host.container("web").at("status").at("nics");
    for (const Json& one : nics)
      if (one.at("name") == name) return one;
    return nullptr;
  }
  Host host;
};

TEST_F(Nics, OneMoreWhileItRuns) {
  const int before = inside().at("eth0").ifindex;
  set(Json::array({nic("eth0", "172.16.2.10/24"), nic("eth1", "172.16.2.11/24")}));
  EXPECT_EQ(inside().at("eth0").ifindex, before);
  EXPECT_EQ(inside().at("eth1").addresses, std::vector<Cidr>{*Cidr::parse("172.16.2.11/24")});
}

TEST_F(Nics, ChangeIsMadeInPlaceAndKeepsWhatIsTheContainers) {
  const int before = inside().at("eth0").ifindex;
  Json wanted = nic("eth0", "172.16.2.20/24");
  wanted["mtu"] = 1400;
  wanted["mac"] = "4a:49:43:00:00:07";
  set(Json::array({wanted}));
  const LinkState now = inside().at("eth0");
  EXPECT_EQ(now.ifindex, before);
  EXPECT_EQ(now.mtu, 1400U);
  EXPECT_EQ(now.mac.text(), "4a:49:43:00:00:07");
  EXPECT_EQ(now.addresses, std::vector<Cidr>{*Cidr::parse("172.16.2.20/24")});
}

TEST_F(Nics, TheOnesBehindKeepTheirEndsWhenOneGoes) {
  set(Json::array({nic("eth0", "172.16.2.10/24"), nic("eth1", "172.16.2.11/24")}));
  const Json second = status_of("eth1");
  set(Json::array({nic("eth1", "172.16.2.11/24")}));
  EXPECT_EQ(status_of("eth1").at("host_name"), second.at("host_name"));
  EXPECT_EQ(inside().count("eth0"), 0U);
  set(Json::array({nic("eth1", "172.16.2.11/24"), nic("eth2", "172.16.2.12/24")}));
  EXPECT_NE(status_of("eth2").at("host_name"), second.at("host_name"));
}

TEST_F(Nics, ChangeThatFailsIsUndoneWhole) {
  const std::string before = host.kernel();
  Json other = nic("eth0", "172.16.2.20/24");
  host.namespaces.fail_change(1, Error{Code::disk_full, "made up"});
  EXPECT_EQ(code_of([&] { set(Json::array({other, nic("eth1", "172.16.2.11/24"), Json{{"name", "eth2"}, {"netns", "ns1"}}})); }), Code::disk_full);
  EXPECT_EQ(host.kernel(), before);
  EXPECT_EQ(inside().at("eth0").addresses, std::vector<Cidr>{*Cidr::parse("172.16.2.10/24")});
  EXPECT_EQ(inside().count("eth1"), 0U);
}

TEST_F(Nics, RatesAreThoseOfBothEnds) {
  Json wanted = nic("eth0", "172.16.2.10/24");
  wanted["rate"] = {{"egress", 10'000'000}, {"ingress", 20'000'000}};
  set(Json::array({wanted}));
  EXPECT_EQ(status_of("eth0").at("rate"), (Json{{"egress", 10'000'000}, {"ingress", 20'000'000}}));
  host.state("web", Desired::stopped);
  host.state("web", Desired::running);
  EXPECT_EQ(status_of("eth0").at("rate"), (Json{{"egress", 10'000'000}, {"ingress", 20'000'000}}));
}

TEST_F(Nics, IntoANetnsHoldsIt) {
  host.state("web", Desired::stopped);
  set(Json::array({Json{{"name", "eth0"}, {"netns", "ns1"}, {"peer", Json{{"name", "c0"}}}}}));
  EXPECT_EQ(conflicts_of([&] { host.service().remove(Kind::netns, "ns1", {}); }), std::vector<std::string>{"container/web"});
}

TEST_F(Nics, AutoIsFreeAndKept) {
  host.put(Kind::container, "one", {{"image", "busy"}, {"nics", Json::array({Json{{"bridge", "brso1"}, {"addresses", Json::array({"auto"})}}})}});
  const Json first = host.container("one").at("status").at("nics").at(0).at("chosen");
  EXPECT_EQ(first, "172.16.2.2/24");
  host.put(Kind::container, "two", {{"image", "busy"}, {"nics", Json::array({Json{{"bridge", "brso1"}, {"addresses", Json::array({"auto"})}}})}});
  EXPECT_EQ(host.container("two").at("status").at("nics").at(0).at("chosen"), "172.16.2.3/24");
  host.stop();
  host.start();
  EXPECT_EQ(host.container("one").at("status").at("nics").at(0).at("chosen"), first);
  EXPECT_EQ(conflicts_of([&] { host.put(Kind::container, "three", container_spec("172.16.2.2/24")); }), std::vector<std::string>{"container/one"});
}

TEST_F(Nics, NobodyIsAskedOnABridgeWithoutStrangers) {
  host.namespaces.on_the_wire.emplace("172.16.2.30", *Mac::parse("4a:49:43:00:00:99"));
  host.put(Kind::container, "alone", container_spec("172.16.2.30/24"));
  EXPECT_EQ(host.namespaces.wire_probes, 0);
}

TEST_F(Nics, WhatAStrangerHasIsRefusedWithItsMac) {
  host.network.foreign_create_link("theirs");
  LinkChange change;
  change.master = host.network.find_link("brso1")->ifindex;
  host.network.foreign_change_link("theirs", change);
  host.namespaces.on_the_wire.emplace("172.16.2.30", *Mac::parse("4a:49:43:00:00:99"));
  try {
    host.put(Kind::container, "other", container_spec("172.16.2.30/24"));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::duplicate);
    EXPECT_NE(error.detail().find("4a:49:43:00:00:99"), std::string::npos);
  }
  EXPECT_EQ(code_of([&] { host.service().get(Kind::container, "other"); }), Code::not_found);
}

}  // namespace
}  // namespace sovirt::tests
