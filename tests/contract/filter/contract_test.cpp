// The packet filter's port, held against the fake and against this machine's nftables in a network namespace of the test's.
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/kernel/filter/kernel_packet_filter.hpp"
#include "tests/fakes/filter/fake_packet_filter.hpp"
#include "tests/support/shell.hpp"
#include "tests/support/soon.hpp"

namespace sovirt {
namespace {

class FakeWorld {
 public:
  static std::string absent() { return {}; }
  PacketFilter& filter() { return filter_; }
  void flush() { filter_.foreign_flush(); }
  void edit() { filter_.foreign_edit(); }
  void switch_off() { filter_.foreign_switch_off(); }
  void drop_chain() { filter_.foreign_drop_chain("chain FORWARD of table ip filter"); }

 private:
  fakes::FakePacketFilter filter_;
};

// The hands are nft's and sysctl's own.
class RealWorld {
 public:
  static std::string absent() {
    if (::geteuid() != 0) return "needs root to make a network namespace";
    if (::unshare(CLONE_NEWNET) != 0) return "this host does not let us make a network namespace";
    return make_packet_filter({"absent", "/nonexistent/absent"})->missing();
  }
  RealWorld() : directory_(std::filesystem::temp_directory_path() / ("sovirt-filter-" + std::to_string(::getpid()))) {
    if (::unshare(CLONE_NEWNET) != 0) throw errno_error("unshare", "CLONE_NEWNET");
    std::filesystem::create_directories(directory_);
    shell("ip link add br0 type bridge; ip link add br1 type bridge");
    filter_ = make_packet_filter({"contract", directory_ / "forwarding.json"});
  }
  RealWorld(const RealWorld&) = delete;
  RealWorld& operator=(const RealWorld&) = delete;
  ~RealWorld() { std::filesystem::remove_all(directory_); }
  PacketFilter& filter() { return *filter_; }
  void flush() { shell("nft flush ruleset"); }
  void edit() { shell("nft flush chain inet sovirt-contract outbound"); }
  void switch_off() { shell("echo 0 > /proc/sys/net/ipv4/ip_forward"); }
  void drop_chain() { shell("nft add table ip filter; nft add chain ip filter FORWARD '{ type filter hook forward priority 0; policy drop; }'"); }

 private:
  std::filesystem::path directory_;
  std::unique_ptr<PacketFilter> filter_;
};

template <class World>
class Filter : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = World::absent(); !why.empty()) GTEST_SKIP() << why;
    world_.emplace();
  }
  World& world() { return *world_; }
  PacketFilter& filter() { return world_->filter(); }

 private:
  std::optional<World> world_;
};
using Worlds = testing::Types<FakeWorld, RealWorld>;
TYPED_TEST_SUITE(Filter, Worlds);

BridgeFilter bridge(std::string name, bool nat, bool isolated) { return {std::move(name), nat, isolated, false, true}; }

FilterRules everything() {
  FilterRules rules;
  rules.bridges = {bridge("br0", true, false), bridge("br1", false, true)};
  rules.publications.push_back({"container/web", "br0", false, 8080, *Cidr::parse("10.0.0.2/24"), 80, false});
  rules.publications.push_back({"container/web", "br0", true, 53, *Cidr::parse("fd00::2/64"), 53, true});
  return rules;
}

TYPED_TEST(Filter, NothingAskedIsNothingThere) {
  EXPECT_TRUE(this->filter().holds({}));
  EXPECT_FALSE(this->filter().holds(everything()));
  EXPECT_TRUE(this->filter().blocking_chains().empty());
}

TYPED_TEST(Filter, HoldsWhatWasPutAndNothingElse) {
  auto& filter = this->filter();
  filter.replace(everything());
  EXPECT_TRUE(filter.holds(everything()));
  FilterRules other = everything();
  other.publications[0].host_port = 8081;
  EXPECT_FALSE(filter.holds(other));
  EXPECT_FALSE(filter.holds({}));
  filter.replace(other);
  EXPECT_TRUE(filter.holds(other));
  filter.replace(other);
  EXPECT_TRUE(filter.holds(other));
  filter.replace({});
  EXPECT_TRUE(filter.holds({}));
}

TYPED_TEST(Filter, BridgesThatAskForNothingNeedNoTable) {
  FilterRules rules;
  rules.bridges = {bridge("br0", false, false)};
  this->filter().replace(rules);
  EXPECT_TRUE(this->filter().holds(rules));
  EXPECT_TRUE(this->filter().holds({}));
}

TYPED_TEST(Filter, ForeignChangesAreNoticed) {
  auto& filter = this->filter();
  std::atomic<int> told{0};
  const auto handle = filter.watch([&] { ++told; });
  filter.replace(everything());
  const auto damage = [&](auto hand) {
    ASSERT_TRUE(filter.holds(everything()));
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    const int before = told;
    hand();
    EXPECT_FALSE(filter.holds(everything()));
    EXPECT_TRUE(soon([&] { return told > before; }));
    filter.replace(everything());
  };
  damage([&] { this->world().flush(); });
  damage([&] { this->world().edit(); });
  damage([&] { this->world().switch_off(); });
  EXPECT_TRUE(filter.holds(everything()));
}

TYPED_TEST(Filter, DroppingChainsOfOthersAreNamed) {
  auto& filter = this->filter();
  filter.replace(everything());
  std::atomic<int> told{0};
  const auto handle = filter.watch([&] { ++told; });
  this->world().drop_chain();
  EXPECT_EQ(filter.blocking_chains(), (std::vector<std::string>{"chain FORWARD of table ip filter"}));
  EXPECT_TRUE(soon([&] { return told > 0; }));
  EXPECT_TRUE(filter.holds(everything())) << "another's table is no business of ours";
}

TYPED_TEST(Filter, ADeadHandleIsNotCalled) {
  std::atomic<int> told{0};
  this->filter().watch([&] { ++told; }).reset();
  this->filter().replace(everything());
  EXPECT_EQ(told, 0);
}

// What only the real one can show.
class RealFilter : public Filter<RealWorld> {};

TEST_F(RealFilter, SwitchesForwardingOnAndOff) {
  const auto value = [](const char* name) { return shell(std::string{"cat /proc/sys/net/"} + name); };
  filter().replace(everything());
  EXPECT_EQ(value("ipv4/ip_forward"), "1\n");
  EXPECT_EQ(value("ipv6/conf/all/forwarding"), "1\n");
  EXPECT_EQ(value("ipv4/conf/br0/route_localnet"), "1\n");
  EXPECT_EQ(value("ipv4/conf/br1/route_localnet"), "0\n");
  EXPECT_EQ(value("ipv6/conf/br0/accept_ra"), "2\n");
  filter().replace({});
  EXPECT_EQ(value("ipv4/ip_forward"), "0\n");
  EXPECT_EQ(value("ipv6/conf/all/forwarding"), "0\n");
  EXPECT_EQ(value("ipv6/conf/br0/accept_ra"), "1\n");
  EXPECT_EQ(shell("nft list ruleset"), "");
}

TEST_F(RealFilter, LeavesOnWhatWasOn) {
  shell("echo 1 > /proc/sys/net/ipv4/ip_forward");
  filter().replace(everything());
  filter().replace({});
  EXPECT_EQ(shell("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
}

TEST_F(RealFilter, LeavesForwardingOnWhereSomebodyElseFiltersIt) {
  filter().replace(everything());
  world().drop_chain();
  filter().replace({});
  EXPECT_EQ(shell("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
}

}  // namespace
}  // namespace sovirt
