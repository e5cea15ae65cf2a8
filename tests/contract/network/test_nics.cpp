#include <fcntl.h>

#include <algorithm>
#include <atomic>

#include "tests/contract/network/worlds.hpp"

namespace sovirt::contract {
namespace {

constexpr const char* nic_uid = "abcdefgh-web234567abc";

template <class World>
class Nics : public Network<World> {
 protected:
  void SetUp() override {
    Network<World>::SetUp();
    if (this->IsSkipped()) return;
    this->kernel().create_bridge(bridge());
    this->kernel().change_link("brso1", {.mtu = {}, .mac = {}, .stp = {}, .up = true, .master = {}});
  }
  static NicPlug nic(int netns, char index = '0') {
    NicPlug out;
    out.host_name = std::string{"vweb234567abc"} + index;
    out.uid = nic_uid;
    out.bridge = "brso1";
    out.netns = netns;
    out.name = std::string{"eth"} + index;
    out.mac = mac(std::string{"4a:49:43:49:79:b"} + index);
    out.addresses = {cidr("172.16.2.10/24"), cidr("fd00:2::10/64")};
    out.gateway = ip("172.16.2.1");
    return out;
  }
  std::optional<LinkState> inside(int netns, std::string_view name) {
    for (auto& link : this->kernel().links_in(netns))
      if (link.name == name) return link;
    return std::nullopt;
  }
  static std::vector<std::string> texts(const std::vector<Cidr>& addresses) {
    std::vector<std::string> out;
    for (const auto& address : addresses) out.push_back(address.text());
    std::sort(out.begin(), out.end());
    return out;
  }
  void expect_nothing_left(int netns) {
    EXPECT_EQ(this->kernel().marked_links().size(), 1U) << "more than the bridge is marked";
    EXPECT_FALSE(this->kernel().find_link(nic(netns).host_name));
    EXPECT_EQ(this->kernel().links_in(netns).size(), 1U) << "more than lo is inside";
  }
};
TYPED_TEST_SUITE(Nics, Worlds);

TYPED_TEST(Nics, NewNamespaceHasLoUpAndNothingElse) {
  const auto netns = this->kernel().create_netns();
  ASSERT_TRUE(netns);
  const auto links = this->kernel().links_in(netns.get());
  ASSERT_EQ(links.size(), 1U);
  EXPECT_EQ(links[0].name, "lo");
  EXPECT_TRUE(links[0].up);
  const auto addresses = this->texts(links[0].addresses);
  EXPECT_NE(std::find(addresses.begin(), addresses.end(), "127.0.0.1/8"), addresses.end());
}

TYPED_TEST(Nics, PlugMakesBothEnds) {
  auto& kernel = this->kernel();
  const auto netns = kernel.create_netns();
  auto wanted = this->nic(netns.get());
  wanted.mtu = 1400;
  kernel.plug(wanted);

  const auto outer = kernel.find_link(wanted.host_name);
  ASSERT_TRUE(outer);
  EXPECT_EQ(outer->kind, "veth");
  EXPECT_EQ(outer->mark, nic_uid);
  EXPECT_EQ(outer->mtu, 1400U);
  EXPECT_EQ(outer->master, kernel.find_link("brso1")->ifindex);
  EXPECT_TRUE(outer->up);
  EXPECT_TRUE(outer->carrier);
  EXPECT_TRUE(outer->addresses.empty());
  EXPECT_FALSE(outer->mac.zero());
  EXPECT_NE(outer->mac, wanted.mac);

  const auto inner = this->inside(netns.get(), "eth0");
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->kind, "veth");
  EXPECT_EQ(inner->mac, wanted.mac);
  EXPECT_EQ(inner->mtu, 1400U);
  EXPECT_TRUE(inner->up);
  EXPECT_TRUE(inner->carrier);
  EXPECT_EQ(inner->mark, nic_uid);
  EXPECT_EQ(this->texts(inner->addresses), (std::vector<std::string>{"172.16.2.10/24", "fd00:2::10/64"}));
  EXPECT_EQ(this->world().gateway_in(netns.get()), ip("172.16.2.1"));
  EXPECT_TRUE(kernel.find_link("brso1")->carrier);
}

TYPED_TEST(Nics, APortIsIsolatedFromTheStartAndAsAsked) {
  auto& kernel = this->kernel();
  const auto netns = kernel.create_netns();
  auto wanted = this->nic(netns.get());
  wanted.isolated = true;
  kernel.plug(wanted);
  EXPECT_EQ(kernel.find_link(wanted.host_name)->isolated, true);
  LinkChange change;
  change.isolated = false;
  kernel.change_link(wanted.host_name, change);
  EXPECT_EQ(kernel.find_link(wanted.host_name)->isolated, false);
  kernel.plug(wanted);
  EXPECT_EQ(kernel.find_link(wanted.host_name)->isolated, true);
  EXPECT_FALSE(kernel.find_link("brso1")->isolated);
  EXPECT_EQ(error_of([&] { kernel.change_link("brso1", change); }).value().code(), Code::unsupported);
}

TYPED_TEST(Nics, WithoutAddressesIsUpAllTheSame) {
  auto& kernel = this->kernel();
  const auto netns = kernel.create_netns();
  auto wanted = this->nic(netns.get());
  wanted.addresses.clear();
  wanted.gateway.reset();
  kernel.plug(wanted);
  const auto inner = this->inside(netns.get(), "eth0");
  ASSERT_TRUE(inner);
  EXPECT_TRUE(inner->up);
  EXPECT_TRUE(inner->addresses.empty());
  EXPECT_FALSE(this->world().gateway_in(netns.get()));
}

TYPED_TEST(Nics, PluggedAgainIsTheSamePairRepaired) {
  auto& kernel = this->kernel();
  const auto netns = kernel.create_netns();
  const auto wanted = this->nic(netns.get());
  kernel.plug(wanted);
  const auto first = kernel.find_link(wanted.host_name);
  kernel.change_link(wanted.host_name, {.mtu = {}, .mac = {}, .stp = {}, .up = false, .master = 0});
  kernel.plug(wanted);
  kernel.plug(wanted);
  const auto second = kernel.find_link(wanted.host_name);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->ifindex, first->ifindex);
  EXPECT_EQ(second->master, kernel.find_link("brso1")->ifindex);
  EXPECT_TRUE(second->up);
  EXPECT_EQ(kernel.links_in(netns.get()).size(), 2U);
  EXPECT_EQ(this->texts(this->inside(netns.get(), "eth0")->addresses), this->texts(wanted.addresses));
}

TYPED_TEST(Nics, PluggedIntoAnotherNamespaceReplacesTheOldPair) {
  auto& kernel = this->kernel();
  const auto first = kernel.create_netns();
  const auto second = kernel.create_netns();
  kernel.plug(this->nic(first.get()));
  kernel.plug(this->nic(second.get()));
  EXPECT_FALSE(this->inside(first.get(), "eth0"));
  EXPECT_TRUE(this->inside(second.get(), "eth0"));
  EXPECT_TRUE(kernel.find_link(this->nic(0).host_name)->carrier);
}

TYPED_TEST(Nics, SeveralOfOneContainerCarryItsUid) {
  auto& kernel = this->kernel();
  const auto netns = kernel.create_netns();
  auto second = this->nic(netns.get(), '1');
  second.addresses = {cidr("172.16.2.11/24")};
  second.gateway.reset();
  kernel.plug(this->nic(netns.get(), '0'));
  kernel.plug(second);
  EXPECT_EQ(kernel.find_link("vweb234567abc0")->mark, nic_uid);
  EXPECT_EQ(kernel.find_link("vweb234567abc1")->mark, nic_uid);
  std::vector<std::string> names;
  for (const auto& port : kernel.ports(kernel.find_link("brso1")->ifindex)) names.push_back(port.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"vweb234567abc0", "vweb234567abc1"}));
  EXPECT_TRUE(kernel.ports(0).empty());
  EXPECT_TRUE(kernel.ports(4711).empty());
}

TYPED_TEST(Nics, ForeignHostEndIsAConflictAndUntouched) {
  auto& kernel = this->kernel();
  const auto netns = kernel.create_netns();
  const auto wanted = this->nic(netns.get());
  this->world().create_link(wanted.host_name);
  const auto before = kernel.find_link(wanted.host_name);
  const auto error = error_of([&] { kernel.plug(wanted); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::conflict);
  const auto after = kernel.find_link(wanted.host_name);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->ifindex, before->ifindex);
  EXPECT_EQ(after->mark, "");
  EXPECT_EQ(after->master, 0);
  EXPECT_FALSE(after->up);
  EXPECT_EQ(kernel.links_in(netns.get()).size(), 1U);
}

TYPED_TEST(Nics, PlugThatFailsLeavesNothing) {
  auto& kernel = this->kernel();
  const auto netns = kernel.create_netns();
  const auto refused = [&](const NicPlug& wanted, Code code) {
    const auto error = error_of([&] { kernel.plug(wanted); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), code) << error->detail();
    EXPECT_NE(error->error_number(), 0) << error->detail();
    EXPECT_FALSE(error->syscall().empty());
    this->expect_nothing_left(netns.get());
  };
  auto wanted = this->nic(netns.get());
  wanted.bridge = "absent0";
  refused(wanted, Code::not_found);
  wanted = this->nic(netns.get());
  wanted.name = "lo";
  refused(wanted, Code::conflict);
  wanted = this->nic(netns.get());
  wanted.gateway = ip("192.168.77.1");
  refused(wanted, Code::invalid);
  wanted = this->nic(netns.get());
  wanted.mac = mac("01:00:5e:00:00:01");
  refused(wanted, Code::invalid);
  wanted = this->nic(netns.get());
  wanted.name = "eth%d";
  refused(wanted, Code::invalid);
  kernel.plug(this->nic(netns.get()));
}

TYPED_TEST(Nics, NoNamespaceIsAnError) {
  const auto netns = this->kernel().create_netns();
  auto wanted = this->nic(-1);
  EXPECT_TRUE(error_of([&] { this->kernel().plug(wanted); }));
  const unique_fd other{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  wanted.netns = other.get();
  EXPECT_TRUE(error_of([&] { this->kernel().plug(wanted); }));
  EXPECT_TRUE(error_of([&] { this->kernel().links_in(other.get()); }));
  this->expect_nothing_left(netns.get());
  const auto error = error_of([&] { this->kernel().open_netns(0x3fffffff); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::not_found);
}

TYPED_TEST(Nics, HostEndDiesWithTheNamespace) {
  auto& kernel = this->kernel();
  auto netns = kernel.create_netns();
  const auto wanted = this->nic(netns.get());
  kernel.plug(wanted);
  ASSERT_TRUE(kernel.find_link(wanted.host_name));
  netns.reset();
  EXPECT_TRUE(soon([&] { return !kernel.find_link(wanted.host_name); }));
}

TYPED_TEST(Nics, DeletedHostEndTakesTheInnerOneWithIt) {
  auto& kernel = this->kernel();
  const auto netns = kernel.create_netns();
  const auto wanted = this->nic(netns.get());
  kernel.plug(wanted);
  EXPECT_FALSE(kernel.delete_link(wanted.host_name, bridge_uid));
  EXPECT_TRUE(kernel.delete_link(wanted.host_name, nic_uid));
  this->expect_nothing_left(netns.get());
}

// A port of another MTU must not change the bridge's, as it would for a bridge whose MTU nobody set.
TYPED_TEST(Nics, BridgeKeepsItsMtuAndMac) {
  auto& kernel = this->kernel();
  const auto netns = kernel.create_netns();
  auto wanted = this->nic(netns.get());
  wanted.mtu = 1280;
  kernel.plug(wanted);
  EXPECT_EQ(kernel.find_link("brso1")->mtu, 1500U);
  EXPECT_EQ(kernel.find_link("brso1")->mac, mac("4a:49:43:49:79:01"));
}

TYPED_TEST(Nics, CallsFromSeveralThreadsDoNotMixUp) {
  auto& kernel = this->kernel();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::string name = "thread" + std::to_string(t);
      for (int i = 0; i < 25; ++i) {
        const std::string uid = "abcdefgh-" + name;
        kernel.create_bridge(bridge(name, uid));
        const auto link = kernel.find_link(name);
        if (!link || link->name != name || link->mark != uid) ++wrong;
        if (kernel.find_link("brso1").value().mark != bridge_uid) ++wrong;
        const auto netns = kernel.create_netns();
        if (kernel.links_in(netns.get()).size() != 1) ++wrong;
        if (i % 8 == 0 && !kernel.delete_link(name, uid)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace sovirt::contract
