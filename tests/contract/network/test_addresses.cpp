#include <algorithm>

#include "tests/contract/network/worlds.hpp"

namespace sovirt::contract {
namespace {

template <class World>
class Addresses : public Network<World> {
 protected:
  void SetUp() override {
    Network<World>::SetUp();
    if (this->IsSkipped()) return;
    this->kernel().create_bridge(bridge());
    set_up(true);
  }
  void set_up(bool up) { this->kernel().change_link("brso1", {.mtu = {}, .mac = {}, .stp = {}, .up = up, .master = {}}); }
  std::vector<std::string> there() {
    std::vector<std::string> out;
    const auto link = this->kernel().find_link("brso1");
    for (const auto& address : link.value().addresses) out.push_back(address.text());
    std::sort(out.begin(), out.end());
    return out;
  }
};
TYPED_TEST_SUITE(Addresses, Worlds);
using Texts = std::vector<std::string>;

TYPED_TEST(Addresses, OfBothFamiliesComeAndGo) {
  auto& kernel = this->kernel();
  EXPECT_TRUE(kernel.add_address("brso1", cidr("172.16.2.1/24")));
  EXPECT_TRUE(kernel.add_address("brso1", cidr("fd00:2::1/64")));
  EXPECT_EQ(this->there(), (Texts{"172.16.2.1/24", "fd00:2::1/64"}));
  EXPECT_FALSE(kernel.add_address("brso1", cidr("172.16.2.1/24")));
  EXPECT_FALSE(kernel.add_address("brso1", cidr("fd00:2::1/64")));
  EXPECT_TRUE(kernel.remove_address("brso1", cidr("172.16.2.1/24")));
  EXPECT_TRUE(kernel.remove_address("brso1", cidr("fd00:2::1/64")));
  EXPECT_EQ(this->there(), Texts{});
  EXPECT_FALSE(kernel.remove_address("brso1", cidr("172.16.2.1/24")));
  EXPECT_FALSE(kernel.remove_address("brso1", cidr("fd00:2::1/64")));
}

TYPED_TEST(Addresses, RemovalOfOneKeepsTheOthersOfItsSubnet) {
  auto& kernel = this->kernel();
  kernel.add_address("brso1", cidr("172.16.2.1/24"));
  kernel.add_address("brso1", cidr("172.16.2.2/24"));
  kernel.add_address("brso1", cidr("172.16.2.3/24"));
  EXPECT_TRUE(kernel.remove_address("brso1", cidr("172.16.2.1/24")));
  EXPECT_EQ(this->there(), (Texts{"172.16.2.2/24", "172.16.2.3/24"}));
}

TYPED_TEST(Addresses, AnotherPrefixIsAnotherAddress) {
  auto& kernel = this->kernel();
  EXPECT_TRUE(kernel.add_address("brso1", cidr("172.16.2.1/24")));
  EXPECT_TRUE(kernel.add_address("brso1", cidr("172.16.2.1/16")));
  EXPECT_FALSE(kernel.remove_address("brso1", cidr("172.16.2.1/20")));
  EXPECT_EQ(this->there(), (Texts{"172.16.2.1/16", "172.16.2.1/24"}));
  EXPECT_TRUE(kernel.add_address("brso1", cidr("fd00:2::1/64")));
  const auto error = error_of([&] { kernel.add_address("brso1", cidr("fd00:2::1/48")); });  // not so for IPv6
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::conflict);
}

TYPED_TEST(Addresses, LinkLocalOnesAreShownWhenSomebodySetThem) {
  EXPECT_EQ(this->there(), Texts{}) << "one that the kernel made by itself";
  EXPECT_TRUE(this->kernel().add_address("brso1", cidr("fe80::1/64")));
  EXPECT_EQ(this->there(), Texts{"fe80::1/64"});
}

TYPED_TEST(Addresses, OnALinkThatGoesDownOnlyIpv4Stays) {
  this->kernel().add_address("brso1", cidr("172.16.2.1/24"));
  this->kernel().add_address("brso1", cidr("fd00:2::1/64"));
  this->set_up(false);
  EXPECT_EQ(this->there(), Texts{"172.16.2.1/24"});
}

TYPED_TEST(Addresses, ChangedBySomebodyElseAreSeen) {
  this->world().add_address("brso1", cidr("10.9.8.7/30"));
  EXPECT_EQ(this->there(), Texts{"10.9.8.7/30"});
  this->world().remove_address("brso1", cidr("10.9.8.7/30"));
  EXPECT_EQ(this->there(), Texts{});
}

}  // namespace
}  // namespace sovirt::contract
