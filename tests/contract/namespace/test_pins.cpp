#include <atomic>
#include <set>

#include "tests/contract/namespace/worlds.hpp"

namespace sovirt::contract {
namespace {

template <class World>
class Pins : public Namespaces<World> {};
TYPED_TEST_SUITE(Pins, NamespaceWorlds);

TYPED_TEST(Pins, OneIsMadeMarkedAndFound) {
  auto ports = this->ports();
  EXPECT_FALSE(ports.pins.find("one"));
  ports.pins.create("one", a_uid);
  const auto found = ports.pins.find("one");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->mark, a_uid);
  EXPECT_EQ(found->inode, ports.pins.inode("one"));
  EXPECT_NE(found->inode, 0U);
  ports.pins.create("one", a_uid);
  EXPECT_EQ(ports.pins.find("one")->inode, found->inode) << "made again, it is the same";
  EXPECT_EQ(ports.pins.all().size(), 1U);
}

TYPED_TEST(Pins, AnothersIsNeitherTakenNorRemoved) {
  auto ports = this->ports();
  ports.pins.create("one", a_uid);
  EXPECT_EQ(code_of([&] { ports.pins.create("one", b_uid); }), Code::conflict);
  EXPECT_EQ(code_of([&] { ports.pins.adopt("one", b_uid); }), Code::conflict);
  EXPECT_FALSE(ports.pins.remove("one", b_uid));
  EXPECT_FALSE(ports.pins.remove("two", b_uid));
  EXPECT_TRUE(ports.pins.remove("one", a_uid));
  EXPECT_FALSE(ports.pins.find("one"));
  EXPECT_EQ(ports.pins.inode("one"), 0U);
}

TYPED_TEST(Pins, ForeignOneIsAdoptedAndReleased) {
  auto ports = this->ports();
  const unique_fd theirs = this->world().foreign_netns("theirs");
  EXPECT_EQ(ports.pins.find("theirs")->mark, "");
  EXPECT_EQ(code_of([&] { ports.pins.create("theirs", a_uid); }), Code::conflict);
  EXPECT_FALSE(ports.pins.remove("theirs", ""));
  ports.pins.adopt("theirs", a_uid);
  ports.pins.adopt("theirs", a_uid);
  EXPECT_EQ(ports.pins.find("theirs")->mark, a_uid);
  ports.pins.release("theirs", b_uid);
  EXPECT_EQ(ports.pins.find("theirs")->mark, a_uid);
  ports.pins.release("theirs", a_uid);
  EXPECT_EQ(ports.pins.find("theirs")->mark, "");
  EXPECT_EQ(code_of([&] { ports.pins.adopt("nobody", a_uid); }), Code::not_found);
  EXPECT_EQ(code_of([&] { ports.pins.open("nobody"); }), Code::not_found);
}

TYPED_TEST(Pins, OneThatIsHeldIsPinnedAgainWithItsMark) {
  auto ports = this->ports();
  ports.pins.create("one", a_uid);
  const auto inode = ports.pins.inode("one");
  const unique_fd held = ports.pins.open("one");
  ASSERT_TRUE(ports.pins.remove("one", a_uid));
  ports.pins.pin("one", held.get());
  ports.pins.pin("one", held.get());
  EXPECT_EQ(ports.pins.find("one")->mark, a_uid);
  EXPECT_EQ(ports.pins.inode("one"), inode);
  ports.pins.create("two", b_uid);
  EXPECT_EQ(code_of([&] { ports.pins.pin("two", held.get()); }), Code::conflict);
}

TYPED_TEST(Pins, KeptOnesAreOutOfTheirSight) {
  auto ports = this->ports();
  EXPECT_FALSE(ports.kept.kept("box"));
  ports.pins.create("one", a_uid);
  ports.kept.keep("box", ports.pins.open("one").get());
  EXPECT_TRUE(ports.kept.kept("box"));
  EXPECT_TRUE(ports.kept.parking());
  EXPECT_EQ(ports.kept.keys(), std::vector<std::string>{"box"});
  EXPECT_EQ(ports.pins.all().size(), 1U);
  ports.kept.let_go("box");
  ports.kept.let_go("box");
  EXPECT_FALSE(ports.kept.kept("box"));
}

TYPED_TEST(Pins, ChangesAreHeard) {
  auto ports = this->ports();
  std::atomic<int> heard = 0;
  const auto handle = ports.watch.listen([&](const std::string& key, const LinkEvent&, bool) {
    if (key.empty()) ++heard;
  });
  ports.pins.create("one", a_uid);
  EXPECT_TRUE(soon([&] { return heard > 0; }));
  const int before = heard;
  ports.pins.remove("one", a_uid);
  EXPECT_TRUE(soon([&] { return heard > before; }));
}

}  // namespace
}  // namespace sovirt::contract
