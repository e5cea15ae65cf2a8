#include <algorithm>

#include "tests/contract/network/worlds.hpp"

namespace sovirt::contract {
namespace {

template <class World>
class Bridges : public Network<World> {};
TYPED_TEST_SUITE(Bridges, Worlds);

TYPED_TEST(Bridges, IsCreatedMarkedAsAskedDownAndBare) {
  auto& kernel = this->kernel();
  auto wanted = bridge();
  wanted.mtu = 1400;
  wanted.stp = true;
  kernel.create_bridge(wanted);
  const auto link = kernel.find_link("brso1");
  ASSERT_TRUE(link);
  EXPECT_EQ(link->name, "brso1");
  EXPECT_EQ(link->kind, "bridge");
  EXPECT_EQ(link->mark, bridge_uid);
  EXPECT_EQ(link->mac, wanted.mac);
  EXPECT_EQ(link->mtu, 1400U);
  EXPECT_EQ(link->stp, std::optional{true});
  EXPECT_FALSE(link->up);
  EXPECT_EQ(link->master, 0);
  EXPECT_GT(link->ifindex, 0);
  EXPECT_TRUE(link->addresses.empty());
}

TYPED_TEST(Bridges, HasAMacOfItsOwnWhenNoneIsAsked) {
  auto wanted = bridge();
  wanted.mac.reset();
  this->kernel().create_bridge(wanted);
  const auto link = this->kernel().find_link("brso1");
  ASSERT_TRUE(link);
  EXPECT_FALSE(link->mac.zero());
  EXPECT_FALSE(link->mac.multicast());
}

TYPED_TEST(Bridges, CreatedAgainIsTheSame) {
  auto& kernel = this->kernel();
  kernel.create_bridge(bridge());
  const auto first = kernel.find_link("brso1");
  kernel.create_bridge(bridge());
  const auto second = kernel.find_link("brso1");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->ifindex, second->ifindex);
  EXPECT_EQ(kernel.marked_links().size(), 1U);
}

TYPED_TEST(Bridges, ForeignLinkOfTheNameIsAConflictAndUntouched) {
  auto& kernel = this->kernel();
  this->world().create_link("brso1");
  const auto before = kernel.find_link("brso1");
  const auto error = error_of([&] { kernel.create_bridge(bridge()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::conflict);
  EXPECT_NE(error->detail().find("brso1 exists and is not sovirt's"), std::string::npos) << error->detail();
  const auto after = kernel.find_link("brso1");
  ASSERT_TRUE(before && after);
  EXPECT_EQ(after->ifindex, before->ifindex);
  EXPECT_EQ(after->mark, "");
  EXPECT_EQ(after->mac, before->mac);
  EXPECT_EQ(after->mtu, before->mtu);
  EXPECT_TRUE(kernel.marked_links().empty());
}

TYPED_TEST(Bridges, OfAnotherUidIsAConflict) {
  auto& kernel = this->kernel();
  kernel.create_bridge(bridge("brso1", "abcdefgh-other2345678"));
  const auto error = error_of([&] { kernel.create_bridge(bridge()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::conflict);
  EXPECT_EQ(kernel.find_link("brso1")->mark, "abcdefgh-other2345678");
}

// Also what an earlier call leaves that was cut short between creation and name.
TYPED_TEST(Bridges, FoundUnderAnotherNameIsTakenBack) {
  auto& kernel = this->kernel();
  kernel.create_bridge(bridge());
  const int ifindex = kernel.find_link("brso1")->ifindex;
  this->world().rename_link("brso1", "elsewhere");
  kernel.create_bridge(bridge());
  ASSERT_TRUE(kernel.find_link("brso1"));
  EXPECT_EQ(kernel.find_link("brso1")->ifindex, ifindex);
  EXPECT_FALSE(kernel.find_link("elsewhere"));
  EXPECT_EQ(kernel.marked_links().size(), 1U);
}

TYPED_TEST(Bridges, ThatCannotBeMadeLeavesNothing) {
  auto& kernel = this->kernel();
  const auto refused = [&](const BridgeLink& wanted) {
    const auto error = error_of([&] { kernel.create_bridge(wanted); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Code::invalid) << error->detail();
    EXPECT_NE(error->error_number(), 0);
    EXPECT_FALSE(error->syscall().empty());
    EXPECT_TRUE(kernel.marked_links().empty());
  };
  refused(bridge("sixteen-bytes-12"));
  refused(bridge("br%d"));
  refused(bridge("br/x"));
  auto wanted = bridge();
  wanted.mtu = 70000;
  refused(wanted);
  wanted = bridge();
  wanted.mac = mac("01:00:5e:00:00:01");
  refused(wanted);
  EXPECT_FALSE(kernel.find_link("brso1"));
  EXPECT_FALSE(kernel.find_link("br0"));
}

TYPED_TEST(Bridges, AbsentLinksAreNotFound) {
  auto& kernel = this->kernel();
  EXPECT_FALSE(kernel.find_link("brso1"));
  EXPECT_FALSE(kernel.find_link(""));
  EXPECT_FALSE(kernel.find_link(std::string(200, 'x')));
  EXPECT_FALSE(kernel.delete_link("brso1", bridge_uid));
  EXPECT_FALSE(kernel.remove_address("brso1", cidr("172.16.2.1/24")));
  const auto change = error_of([&] { kernel.change_link("brso1", {.mtu = {}, .mac = {}, .stp = {}, .up = true, .master = {}}); });
  ASSERT_TRUE(change);
  EXPECT_EQ(change->code(), Code::not_found);
  const auto add = error_of([&] { kernel.add_address("brso1", cidr("172.16.2.1/24")); });
  ASSERT_TRUE(add);
  EXPECT_EQ(add->code(), Code::not_found);
}

TYPED_TEST(Bridges, ChangesOnlyWhatIsAsked) {
  auto& kernel = this->kernel();
  kernel.create_bridge(bridge());
  kernel.change_link("brso1", {.mtu = 9000, .mac = mac("4a:49:43:49:79:02"), .stp = true, .up = true, .master = {}});
  auto link = kernel.find_link("brso1");
  ASSERT_TRUE(link);
  EXPECT_EQ(link->mtu, 9000U);
  EXPECT_EQ(link->mac, mac("4a:49:43:49:79:02"));
  EXPECT_EQ(link->stp, std::optional{true});
  EXPECT_TRUE(link->up);

  kernel.change_link("brso1", {.mtu = {}, .mac = {}, .stp = false, .up = {}, .master = {}});
  link = kernel.find_link("brso1");
  EXPECT_EQ(link->mtu, 9000U);
  EXPECT_EQ(link->mac, mac("4a:49:43:49:79:02"));
  EXPECT_EQ(link->stp, std::optional{false});
  EXPECT_TRUE(link->up);
  EXPECT_EQ(link->mark, bridge_uid);

  kernel.change_link("brso1", {.mtu = {}, .mac = {}, .stp = {}, .up = false, .master = {}});
  EXPECT_FALSE(kernel.find_link("brso1")->up);
}

TYPED_TEST(Bridges, ChangeThatFailsChangesNothing) {
  auto& kernel = this->kernel();
  kernel.create_bridge(bridge());
  const auto error = error_of(
      [&] { kernel.change_link("brso1", {.mtu = 1300, .mac = mac("4a:49:43:49:79:02"), .stp = true, .up = true, .master = 4711}); });
  ASSERT_TRUE(error);
  EXPECT_NE(error->error_number(), 0);
  EXPECT_EQ(error->syscall(), "RTM_NEWLINK");
  const auto link = kernel.find_link("brso1");
  EXPECT_EQ(link->mtu, 1500U);
  EXPECT_EQ(link->mac, mac("4a:49:43:49:79:01"));
  EXPECT_EQ(link->stp, std::optional{false});
  EXPECT_FALSE(link->up);
}

TYPED_TEST(Bridges, IsDeletedOnlyByItsMark) {
  auto& kernel = this->kernel();
  kernel.create_bridge(bridge());
  this->world().create_link("foreign0");
  EXPECT_FALSE(kernel.delete_link("brso1", "abcdefgh-other2345678"));
  EXPECT_FALSE(kernel.delete_link("foreign0", bridge_uid));
  EXPECT_FALSE(kernel.delete_link("foreign0", ""));
  EXPECT_TRUE(kernel.find_link("brso1"));
  EXPECT_TRUE(kernel.find_link("foreign0"));
  EXPECT_TRUE(kernel.delete_link("brso1", bridge_uid));
  EXPECT_FALSE(kernel.find_link("brso1"));
  EXPECT_FALSE(kernel.delete_link("brso1", bridge_uid));
}

TYPED_TEST(Bridges, OnlyMarkedLinksAreListedAsMarked) {
  auto& kernel = this->kernel();
  this->world().create_link("foreign0");
  kernel.create_bridge(bridge("brso1", "abcdefgh-one123456789"));
  kernel.create_bridge(bridge("brso2", "zzzzzzzz-two123456789"));
  std::vector<std::string> seen;
  for (const auto& link : kernel.marked_links()) seen.push_back(link.name + "=" + link.mark);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<std::string>{"brso1=abcdefgh-one123456789", "brso2=zzzzzzzz-two123456789"}));
}

}  // namespace
}  // namespace sovirt::contract
