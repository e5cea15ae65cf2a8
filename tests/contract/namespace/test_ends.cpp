#include <atomic>

#include "tests/contract/namespace/worlds.hpp"

namespace sovirt::contract {
namespace {

template <class World>
class Ends : public Namespaces<World> {
 protected:
  void SetUp() override {
    Namespaces<World>::SetUp();
    if (this->IsSkipped()) return;
    this->ports().pins.create("one", a_uid);
    this->ports().pins.create("two", b_uid);
    one_ = this->ports().pins.open("one");
    two_ = this->ports().pins.open("two");
  }
  LinkEnd first() const { return {one_.get(), "abcdefgh-llllllllllll:0"}; }
  LinkEnd second() const { return {two_.get(), "abcdefgh-llllllllllll:1"}; }
  static EndState state(const std::string& name, const char* mac) {
    EndState out;
    out.name = name;
    out.mac = *Mac::parse(mac);
    return out;
  }
  EndState first_state() const { return state("e0", "4a:49:43:00:00:01"); }
  EndState second_state() const { return state("e1", "4a:49:43:00:00:02"); }
  void make() { this->ports().ends.make_pair(first(), first_state(), second(), second_state()); }
  unique_fd one_, two_;
};
TYPED_TEST_SUITE(Ends, NamespaceWorlds);

TYPED_TEST(Ends, PairIsInPlaceMarkedAndDown) {
  auto ports = this->ports();
  this->make();
  const auto a = ports.ends.find(this->first()), b = ports.ends.find(this->second());
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->state.name, "e0");
  EXPECT_EQ(b->state.mac, *Mac::parse("4a:49:43:00:00:02"));
  EXPECT_EQ(a->kind, "veth");
  EXPECT_EQ(a->peer, b->ifindex);
  EXPECT_EQ(b->peer, a->ifindex);
  EXPECT_FALSE(a->state.up || b->state.up);
  EXPECT_TRUE(a->state.addresses.empty());
  this->make();
  EXPECT_EQ(ports.ends.find(this->first())->ifindex, a->ifindex) << "made again, it is the same";
}

TYPED_TEST(Ends, TakenNameMakesNothing) {
  auto ports = this->ports();
  this->make();
  const LinkEnd other_a{this->one_.get(), "abcdefgh-mmmmmmmmmmmm:0"}, other_b{this->two_.get(), "abcdefgh-mmmmmmmmmmmm:1"};
  for (const auto& [a, b] : {std::pair{"e0", "x1"}, {"x0", "e1"}}) {
    const EndState a_state = this->state(a, "4a:49:43:00:00:03"), b_state = this->state(b, "4a:49:43:00:00:04");
    EXPECT_EQ(code_of([&] { ports.ends.make_pair(other_a, a_state, other_b, b_state); }), Code::conflict) << a;
    EXPECT_FALSE(ports.ends.find(other_a));
    EXPECT_FALSE(ports.ends.find(other_b));
  }
  EXPECT_EQ(ports.inside.interfaces(this->one_.get()).size(), 2U);
  EXPECT_EQ(ports.inside.interfaces(this->two_.get()).size(), 2U);
}

TYPED_TEST(Ends, AllOfAnEndIsSetInPlace) {
  auto ports = this->ports();
  this->make();
  const int index = ports.ends.find(this->first())->ifindex;
  EndState wanted = this->state("f0", "4a:49:43:00:00:09");
  wanted.mtu = 1400;
  wanted.addresses = {*Cidr::parse("10.0.0.1/24"), *Cidr::parse("fd00::1/64")};
  wanted.egress = 8'000'000;
  ports.ends.configure(this->first(), wanted);
  ports.ends.configure(this->first(), wanted);
  auto found = ports.ends.find(this->first());
  EXPECT_EQ(found->ifindex, index);
  EXPECT_EQ(found->state.name, "f0");
  EXPECT_EQ(found->state.mtu, 1400U);
  EXPECT_EQ(found->state.mac, wanted.mac);
  EXPECT_TRUE(found->state.up);
  EXPECT_EQ(found->state.addresses.size(), 2U);
  EXPECT_EQ(found->state.egress, 8'000'000U);
  wanted.addresses.pop_back();
  wanted.egress = 0;
  wanted.up = false;
  ports.ends.configure(this->first(), wanted);
  found = ports.ends.find(this->first());
  EXPECT_EQ(found->state.addresses, std::vector<Cidr>{*Cidr::parse("10.0.0.1/24")});
  EXPECT_EQ(found->state.egress, 0U);
  EXPECT_FALSE(found->state.up);
}

TYPED_TEST(Ends, LargeRatesAreKept) {
  auto ports = this->ports();
  this->make();
  EndState wanted = this->first_state();
  wanted.egress = 100'000'000'000;
  ports.ends.configure(this->first(), wanted);
  EXPECT_EQ(ports.ends.find(this->first())->state.egress, wanted.egress);
}

TYPED_TEST(Ends, CarrierNeedsBothEndsUp) {
  auto ports = this->ports();
  this->make();
  ports.ends.configure(this->first(), this->first_state());
  EXPECT_FALSE(ports.ends.find(this->first())->carrier);
  ports.ends.configure(this->second(), this->second_state());
  EXPECT_TRUE(soon([&] { return ports.ends.find(this->first())->carrier; }));
}

TYPED_TEST(Ends, MovedEndLeavesTheOtherAsItIs) {
  auto ports = this->ports();
  this->make();
  EndState wanted = this->second_state();
  wanted.addresses = {*Cidr::parse("10.0.0.2/24")};
  ports.ends.configure(this->first(), this->first_state());
  ports.ends.configure(this->second(), wanted);
  const auto other = ports.ends.find(this->second());
  const unique_fd parking = ports.kept.parking();
  ports.ends.move(this->first(), parking.get(), "parked0");
  ports.ends.move(this->first(), parking.get(), "parked0");
  EXPECT_FALSE(ports.ends.find(this->first()));
  const LinkEnd parked{parking.get(), this->first().mark};
  ASSERT_TRUE(ports.ends.find(parked));
  EXPECT_EQ(ports.ends.find(parked)->state.name, "parked0");
  EXPECT_TRUE(ports.ends.find(parked)->state.addresses.empty());
  EXPECT_EQ(ports.ends.find(this->second())->ifindex, other->ifindex);
  EXPECT_EQ(ports.ends.find(this->second())->state.addresses, other->state.addresses);
  ports.ends.move(parked, this->one_.get(), "e0");
  EXPECT_EQ(ports.ends.find(this->first())->state.name, "e0");
  EXPECT_EQ(ports.ends.find(this->second())->peer, ports.ends.find(this->first())->ifindex);
}

TYPED_TEST(Ends, RemovalTakesBoth) {
  auto ports = this->ports();
  this->make();
  EXPECT_TRUE(ports.ends.remove(this->second()));
  EXPECT_FALSE(ports.ends.remove(this->second()));
  EXPECT_FALSE(ports.ends.find(this->first()));
  EXPECT_EQ(code_of([&] { ports.ends.configure(this->first(), this->first_state()); }), Code::conflict);
  EXPECT_EQ(code_of([&] { ports.ends.move(this->first(), this->two_.get(), "x"); }), Code::conflict);
}

TYPED_TEST(Ends, ChangesAreHeardWhereTheyAreFollowed) {
  auto ports = this->ports();
  this->make();
  const int index = ports.ends.find(this->first())->ifindex;
  std::atomic<int> heard = 0, gone = 0, elsewhere = 0;
  const auto handle = ports.watch.listen([&](const std::string& key, const LinkEvent& event, bool) {
    if (key == "follow" && event.ifindex == index) ++(event.gone ? gone : heard);
    if (key == "two") ++elsewhere;
  });
  ports.watch.follow("follow", this->one_.get());
  EndState wanted = this->first_state();
  wanted.addresses = {*Cidr::parse("10.0.0.1/24")};
  ports.ends.configure(this->first(), wanted);
  EXPECT_TRUE(soon([&] { return heard > 0; }));
  ports.ends.remove(this->first());
  EXPECT_TRUE(soon([&] { return gone > 0; }));
  EXPECT_EQ(elsewhere, 0);
  ports.watch.forget("follow");
}

}  // namespace
}  // namespace sovirt::contract
