#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

Json end_in(const std::string& place, const std::string& of, const std::string& name, const std::string& address = "") {
  Json end{{place, of}, {"name", name}};
  if (!address.empty()) end["addresses"] = {address};
  return end;
}

class Links : public testing::Test {
 protected:
  void SetUp() override {
    host.start();
    host.put(Kind::netns, "nsserver", Json::object());
    host.put(Kind::netns, "nsclient", Json::object());
  }
  static Json lab() {
    return {{"endpoints", {end_in("netns", "nsserver", "vethsrv", "10.10.10.1/24"), end_in("netns", "nsclient", "vethcli", "10.10.10.2/24")}}};
  }
  std::optional<FoundEnd> end(const std::string& netns, int index) {
    const std::string uid = host.service().get(Kind::link, "l1").at("uid").get<std::string>();
    return host.namespaces.find(LinkEnd{host.namespaces.open(netns).get(), uid + ":" + std::to_string(index)});
  }
  Host host;
};

TEST_F(Links, PairIsMadeWithBothEnds) {
  host.put(Kind::link, "l1", lab());
  const auto server = end("nsserver", 0), client = end("nsclient", 1);
  ASSERT_TRUE(server && client);
  EXPECT_EQ(server->state.name, "vethsrv");
  EXPECT_TRUE(server->state.up);
  EXPECT_EQ(client->state.addresses, std::vector<Cidr>{*Cidr::parse("10.10.10.2/24")});
  EXPECT_EQ(server->peer, client->ifindex);
  EXPECT_EQ(host.service().get(Kind::link, "l1").at("status").at("state"), "ready");
}

TEST_F(Links, ChangeIsMadeInPlace) {
  host.put(Kind::link, "l1", lab());
  const int before = end("nsserver", 0)->ifindex;
  Json spec = lab();
  spec["endpoints"][0]["mtu"] = 1400;
  spec["endpoints"][0]["rate"] = {{"egress", 10'000'000}};
  spec["endpoints"][1]["rate"] = {{"ingress", 5'000'000}};
  host.put(Kind::link, "l1", spec);
  EXPECT_EQ(end("nsserver", 0)->ifindex, before);
  EXPECT_EQ(end("nsserver", 0)->state.mtu, 1400U);
  EXPECT_EQ(end("nsserver", 0)->state.egress, 5'000'000U) << "the other end takes no more";
}

TEST_F(Links, EveryStepThatFailsIsUndone) {
  const std::string before = host.namespaces.text();
  for (int n = 1; n <= 3; ++n) {
    host.namespaces.fail_change(n, Error{Code::disk_full, "made up"});
    EXPECT_EQ(code_of([&] { host.put(Kind::link, "l1", lab()); }), Code::disk_full) << n;
    EXPECT_EQ(host.namespaces.text(), before) << n;
  }
  host.put(Kind::link, "l1", lab());
  const std::string made = host.namespaces.text();
  Json spec = lab();
  spec["endpoints"][0]["mtu"] = spec["endpoints"][1]["mtu"] = 1400;
  for (int n = 1; n <= 2; ++n) {
    host.namespaces.fail_change(n, Error{Code::disk_full, "made up"});
    EXPECT_EQ(code_of([&] { host.put(Kind::link, "l1", spec); }), Code::disk_full) << n;
    EXPECT_EQ(host.namespaces.text(), made) << n;
    EXPECT_EQ(end("nsserver", 0)->state.mtu, 1500U) << n;
  }
}

TEST_F(Links, WhatItEndsInStaysUnlessAllIsToGo) {
  host.put(Kind::link, "l1", lab());
  EXPECT_EQ(conflicts_of([&] { host.service().remove(Kind::netns, "nsserver", {}); }), std::vector<std::string>{"link/l1"});
  ChangeContext all;
  all.cascade = true;
  host.service().remove(Kind::netns, "nsserver", all);
  EXPECT_EQ(code_of([&] { host.service().get(Kind::link, "l1"); }), Code::not_found);
  EXPECT_EQ(host.namespaces.text(), "pin:nsclient ");
}

TEST_F(Links, DriftIsRepaired) {
  host.put(Kind::link, "l1", lab());
  const unique_fd server = host.namespaces.open("nsserver");
  host.namespaces.foreign_delete(server.get(), "vethsrv");
  Host::eventually([&] { return end("nsserver", 0) && end("nsclient", 1) && end("nsclient", 1)->state.up; });
  host.namespaces.foreign_flush(server.get(), "vethsrv");
  Host::eventually([&] { return end("nsserver", 0)->state.addresses.size() == 1; });
}

TEST_F(Links, AddressAndMacAreOnlyOnce) {
  host.put(Kind::link, "l1", lab());
  Json other{{"endpoints", {end_in("netns", "nsserver", "e1", "10.10.10.2/24"), end_in("netns", "nsclient", "e1")}}};
  EXPECT_EQ(conflicts_of([&] { host.put(Kind::link, "l2", other); }), std::vector<std::string>{"link/l1"});
  Json same_name{{"endpoints", {end_in("netns", "nsserver", "vethsrv"), end_in("netns", "nsclient", "e1")}}};
  EXPECT_EQ(code_of([&] { host.put(Kind::link, "l2", same_name); }), Code::duplicate);
}

TEST_F(Links, UnknownPlacesAreNamed) {
  for (const char* place : {"netns", "bridge", "container"}) {
    const Json spec{{"endpoints", {end_in(place, "nobody", "e0"), end_in("netns", "nsclient", "e0")}}};
    try {
      host.put(Kind::link, "l1", spec);
      FAIL() << place;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::not_found) << place;
      ASSERT_FALSE(error.fields().empty());
      EXPECT_EQ(error.fields()[0].pointer, std::string{"/endpoints/0/"} + place);
    }
  }
}

TEST_F(Links, EndOfAStoppedContainerWaits) {
  host.image();
  host.put(Kind::container, "web", {{"image", "busy"}});
  host.put(Kind::link, "l1", {{"endpoints", {end_in("container", "web", "eth7", "10.10.10.1/24"), end_in("netns", "nsclient", "e0", "10.10.10.2/24")}}});
  const int index = end("nsclient", 1)->ifindex;
  EXPECT_EQ(host.service().get(Kind::link, "l1").at("status").at("state"), "parked");
  for (int round = 0; round < 3; ++round) {
    host.state("web", Desired::running);
    Host::eventually([&] { return host.service().get(Kind::link, "l1").at("status").at("state") == "ready"; });
    const Json inside = host.service().get(Kind::link, "l1").at("status").at("endpoints").at(0);
    EXPECT_EQ(inside.at("addresses"), Json::array({"10.10.10.1/24"}));
    EXPECT_EQ(end("nsclient", 1)->ifindex, index);
    host.state("web", Desired::stopped, true);
    EXPECT_EQ(host.service().get(Kind::link, "l1").at("status").at("state"), "parked");
    EXPECT_EQ(end("nsclient", 1)->ifindex, index);
    EXPECT_EQ(end("nsclient", 1)->state.addresses.size(), 1U);
    EXPECT_TRUE(host.namespaces.keys().empty());
  }
}

TEST_F(Links, ComeBackAfterABoot) {
  host.put(Kind::link, "l1", lab());
  const std::string before = host.namespaces.text();
  host.stop();
  host.namespaces.boot();
  host.start("boot-2");
  EXPECT_EQ(host.namespaces.text(), before);
  EXPECT_TRUE(end("nsserver", 0)->state.up);
}

}  // namespace
}  // namespace sovirt::tests
