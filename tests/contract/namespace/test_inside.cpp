#include <algorithm>

#include "tests/contract/namespace/worlds.hpp"

namespace sovirt::contract {
namespace {

template <class World>
class Inside : public Namespaces<World> {
 protected:
  void SetUp() override {
    Namespaces<World>::SetUp();
    if (this->IsSkipped()) return;
    this->ports().pins.create("one", a_uid);
    netns_ = this->ports().pins.open("one");
  }
  void link() {
    EndState a, b;
    a.name = "e0";
    b.name = "e1";
    a.mac = *Mac::parse("4a:49:43:00:00:01");
    b.mac = *Mac::parse("4a:49:43:00:00:02");
    a.addresses = {*Cidr::parse("10.0.0.1/24")};
    const LinkEnd first{netns_.get(), "abcdefgh-llllllllllll:0"}, second{netns_.get(), "abcdefgh-llllllllllll:1"};
    this->ports().ends.make_pair(first, a, second, b);
    this->ports().ends.configure(first, a);
    this->ports().ends.configure(second, b);
  }
  unique_fd netns_;
};
TYPED_TEST_SUITE(Inside, NamespaceWorlds);

TYPED_TEST(Inside, FreshOneHasLoAndNothingElse) {
  const auto interfaces = this->ports().inside.interfaces(this->netns_.get());
  ASSERT_EQ(interfaces.size(), 1U);
  EXPECT_EQ(interfaces[0].link.name, "lo");
  EXPECT_TRUE(interfaces[0].link.up);
  EXPECT_TRUE(this->ports().inside.routes(this->netns_.get()).empty());
  EXPECT_TRUE(this->ports().inside.processes(this->netns_.get(), {}).empty());
  EXPECT_TRUE(this->ports().inside.sockets(this->netns_.get()).empty());
}

TYPED_TEST(Inside, InterfacesCarryTheUidOfTheirLink) {
  this->link();
  const auto interfaces = this->ports().inside.interfaces(this->netns_.get());
  ASSERT_EQ(interfaces.size(), 3U);
  const auto e0 = std::find_if(interfaces.begin(), interfaces.end(), [](const Interface& one) { return one.link.name == "e0"; });
  ASSERT_NE(e0, interfaces.end());
  EXPECT_EQ(e0->link.mark, "abcdefgh-llllllllllll");
  EXPECT_EQ(e0->link.addresses, std::vector<Cidr>{*Cidr::parse("10.0.0.1/24")});
}

TYPED_TEST(Inside, SettingsAreReadAndWritten) {
  auto& inside = this->ports().inside;
  const int netns = this->netns_.get();
  EXPECT_EQ(inside.sysctl(netns, "net.ipv4.no_such_thing"), std::nullopt);
  inside.set_sysctl(netns, "net.ipv4.ip_forward", "1");
  EXPECT_EQ(inside.sysctl(netns, "net.ipv4.ip_forward"), "1");
  EXPECT_EQ(inside.sysctl(this->ports().kept.parking().get(), "net.ipv4.ip_forward"), "0") << "another namespace has its own";
  EXPECT_EQ(code_of([&] { inside.set_sysctl(netns, "net.ipv4.no_such_thing", "1"); }), Code::invalid);
}

TYPED_TEST(Inside, RoutesOfOursComeAndGo) {
  this->link();
  auto& inside = this->ports().inside;
  const int netns = this->netns_.get();
  RouteSpec route;
  route.to = Cidr::parse("10.9.0.0/16");
  route.via = IpAddress::parse("10.0.0.2");
  route.dev = "e0";
  const auto ours = [&] {
    const auto all = inside.routes(netns);
    return std::count_if(all.begin(), all.end(), [](const RouteState& one) { return one.ours; });
  };
  EXPECT_TRUE(inside.add_route(netns, route));
  EXPECT_FALSE(inside.add_route(netns, route));
  EXPECT_EQ(ours(), 1);
  RouteSpec other = route;
  other.via = IpAddress::parse("10.0.0.3");
  EXPECT_EQ(code_of([&] { inside.add_route(netns, other); }), Code::conflict);
  EXPECT_TRUE(inside.remove_route(netns, route));
  EXPECT_FALSE(inside.remove_route(netns, route));
  EXPECT_EQ(ours(), 0);
}

}  // namespace
}  // namespace sovirt::contract
