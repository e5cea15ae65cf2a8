// Addresses and routes from one link to another and back, with the fake and with this machine's kernel.
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <optional>

#include "daemon/kernel/netlink/uplinks.hpp"
#include "tests/fakes/network/fake_uplinks.hpp"
#include "tests/support/shell.hpp"

namespace sovirt {
namespace {

class FakeWorld {
 public:
  static std::string absent() { return {}; }
  FakeWorld() : uplinks_(network_) {
    network_.foreign_create_link("nic0", "veth");
    network_.foreign_create_link("br0", "bridge");
    network_.foreign_change_link("nic0", {.mtu = {}, .mac = {}, .stp = {}, .up = true, .master = {}});
    network_.foreign_add_address("nic0", *Cidr::parse("10.1.0.5/24"));
    uplinks_.add_route("nic0", "default via 10.1.0.1");
    uplinks_.add_route("nic0", "10.9.0.0/16 via 10.1.0.9");
  }
  Uplinks& uplinks() { return uplinks_; }
  std::size_t routes(const std::string& link) { return uplinks_.belongings(link).route_data.size(); }
  bool has_address(const std::string& link) { return !network_.find_link(link)->addresses.empty(); }

 private:
  fakes::FakeNetworkKernel network_;
  fakes::FakeUplinks uplinks_;
};

class RealWorld {
 public:
  static std::string absent() {
    if (::geteuid() != 0) return "needs root to make a network namespace";
    return ::unshare(CLONE_NEWNET) == 0 ? "" : "this host does not let us make a network namespace";
  }
  RealWorld() : uplinks_(make_uplinks()) {
    if (::unshare(CLONE_NEWNET) != 0) throw errno_error("unshare", "CLONE_NEWNET");
    shell("ip link add nic0 type veth peer name far0; ip link add br0 type bridge; ip link set far0 up; ip link set nic0 up; ip link set br0 up;"
          "ip addr add 10.1.0.5/24 dev nic0; ip route add default via 10.1.0.1 dev nic0; ip route add 10.9.0.0/16 via 10.1.0.9 dev nic0");
  }
  Uplinks& uplinks() { return *uplinks_; }
  std::size_t routes(const std::string& link) {
    const std::string text = shell("ip route show dev " + link + " | grep -c via || true");
    return static_cast<std::size_t>(std::stoi(text));
  }
  bool has_address(const std::string& link) { return shell("ip -4 addr show dev " + link).find("10.1.0.5/24") != std::string::npos; }

 private:
  std::unique_ptr<Uplinks> uplinks_;
};

template <class World>
class UplinksTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = World::absent(); !why.empty()) GTEST_SKIP() << why;
    world_.emplace();
  }
  World& world() { return *world_; }

 private:
  std::optional<World> world_;
};
using Worlds = testing::Types<FakeWorld, RealWorld>;
TYPED_TEST_SUITE(UplinksTest, Worlds);

TYPED_TEST(UplinksTest, MovesThereAndBackAsOftenAsOneLikes) {
  auto& uplinks = this->world().uplinks();
  const Belongings had = uplinks.belongings("nic0");
  ASSERT_EQ(had.addresses.size(), 1U);
  EXPECT_EQ(had.addresses[0].text(), "10.1.0.5/24");
  for (int i = 0; i < 2; ++i) {
    for (int again = 0; again < 2; ++again) uplinks.take("nic0", had);
    EXPECT_FALSE(this->world().has_address("nic0"));
    EXPECT_EQ(this->world().routes("nic0"), 0U);
    for (int again = 0; again < 2; ++again) uplinks.give("br0", had);
    EXPECT_TRUE(this->world().has_address("br0"));
    EXPECT_EQ(this->world().routes("br0"), 2U);
    uplinks.take("br0", had);
    uplinks.give("nic0", had);
    EXPECT_TRUE(this->world().has_address("nic0"));
    EXPECT_EQ(this->world().routes("nic0"), 2U);
    EXPECT_FALSE(this->world().has_address("br0"));
  }
}

TYPED_TEST(UplinksTest, OnlyRoutesByGatewaysOfASubnet) {
  auto& uplinks = this->world().uplinks();
  const Belongings had = uplinks.belongings("nic0");
  EXPECT_EQ(uplinks.reachable(had, {*Cidr::parse("10.1.0.7/29")}).route_data.size(), 1U);
  EXPECT_EQ(uplinks.reachable(had, {*Cidr::parse("10.1.0.7/24")}).route_data.size(), 2U);
  EXPECT_TRUE(uplinks.reachable(had, {*Cidr::parse("10.2.0.7/24")}).empty());
}

TYPED_TEST(UplinksTest, AbsentLinks) {
  auto& uplinks = this->world().uplinks();
  try {
    uplinks.belongings("gone0");
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::not_found);
  }
}

class RealUplinks : public UplinksTest<RealWorld> {};

TEST_F(RealUplinks, GivesBackToTheLastMetric) {
  shell("ip route add 10.8.0.0/16 via 10.1.0.1 dev nic0 metric 77 mtu 1400 src 10.1.0.5; ip route add 10.7.0.0/16 dev nic0 scope link;"
        "ip addr add 10.1.0.6/24 dev nic0; ip addr add 10.3.0.1/24 dev nic0 noprefixroute; ip route add 10.3.0.0/24 dev nic0 src 10.3.0.1 metric 100;"
        "ip -6 addr add fd01::5/64 dev nic0 nodad; ip -6 route add default via fd01::1 dev nic0 metric 5; ip route add 10.6.0.0/16 via 10.1.0.1 dev nic0 table 200");
  const auto state = [](const char* link) {
    const std::string name{link};
    std::string text = shell("ip -4 route show table all dev " + name + " | grep -v '^local\\|^broadcast' | sort; ip -6 route show table all dev " + name +
                 " | grep -v 'fe80\\|^local\\|^multicast\\|^anycast' | sort; ip -o addr show dev " + name + " | grep -v fe80 | sed 's/^[0-9]*: [a-z0-9]* *//'");
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name)) text.replace(at, name.size(), "LINK");
    return text;
  };
  auto& uplinks = world().uplinks();
  const std::string before = state("nic0");
  const Belongings had = uplinks.belongings("nic0");
  uplinks.take("nic0", had);
  uplinks.give("br0", had);
  EXPECT_EQ(state("nic0"), "");
  EXPECT_NE(state("br0").find("10.6.0.0/16"), std::string::npos);
  uplinks.take("br0", had);
  uplinks.give("nic0", had);
  EXPECT_EQ(state("nic0"), before);
}

}  // namespace
}  // namespace sovirt
