#include <atomic>
#include <mutex>

#include "tests/contract/network/worlds.hpp"

namespace sovirt::contract {
namespace {

// What a listener heard.
class Heard {
 public:
  NetworkKernel::Listener listener() {
    return [this](const LinkEvent& event, bool lost) {
      const std::lock_guard lock{mutex_};
      events_.push_back(event);
      losses_ += lost ? 1 : 0;
    };
  }
  bool of(int ifindex) {
    const std::lock_guard lock{mutex_};
    for (const auto& event : events_)
      if (event.ifindex == ifindex) return true;
    return false;
  }
  bool named(std::string_view name, bool gone) {
    const std::lock_guard lock{mutex_};
    for (const auto& event : events_)
      if (event.name == name && event.gone == gone) return true;
    return false;
  }
  int losses() {
    const std::lock_guard lock{mutex_};
    return losses_;
  }
  std::size_t count() {
    const std::lock_guard lock{mutex_};
    return events_.size();
  }
  void clear() {
    const std::lock_guard lock{mutex_};
    events_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<LinkEvent> events_;
  int losses_ = 0;
};

constexpr std::chrono::milliseconds a_second{1000};

template <class World>
class Watch : public Network<World> {
 protected:
  // Everything that is on its way has arrived: nothing for a while.
  void quiet(Heard& heard) {
    std::size_t last = heard.count() + 1;
    while (last != heard.count()) {
      last = heard.count();
      std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    heard.clear();
  }
};
TYPED_TEST_SUITE(Watch, Worlds);

TYPED_TEST(Watch, SeesWhatOthersDoToLinksWithinASecond) {
  Heard heard;
  const auto handle = this->kernel().watch(heard.listener());
  this->world().create_link("foreign0");
  EXPECT_TRUE(soon([&] { return heard.named("foreign0", false); }, a_second));
  this->quiet(heard);
  this->world().set_up("foreign0", true);
  EXPECT_TRUE(soon([&] { return heard.named("foreign0", false); }, a_second));
  this->quiet(heard);
  this->world().set_up("foreign0", false);
  this->quiet(heard);
  this->world().rename_link("foreign0", "foreign1");
  EXPECT_TRUE(soon([&] { return heard.named("foreign1", false); }, a_second));
  this->world().delete_link("foreign1");
  EXPECT_TRUE(soon([&] { return heard.named("foreign1", true); }, a_second));
}

TYPED_TEST(Watch, SeesWhatOthersDoToAddressesWithinASecond) {
  auto& kernel = this->kernel();
  kernel.create_bridge(bridge());
  const int ifindex = kernel.find_link("brso1")->ifindex;
  Heard heard;
  const auto handle = kernel.watch(heard.listener());
  for (const char* text : {"172.16.2.1/24", "fd00:2::1/64"}) {
    this->world().add_address("brso1", cidr(text));
    EXPECT_TRUE(soon([&] { return heard.of(ifindex); }, a_second)) << text;
    this->quiet(heard);
    this->world().remove_address("brso1", cidr(text));
    EXPECT_TRUE(soon([&] { return heard.of(ifindex); }, a_second)) << text;
    this->quiet(heard);
  }
}

TYPED_TEST(Watch, PortThatLeavesItsBridgeIsNotGone) {
  auto& kernel = this->kernel();
  kernel.create_bridge(bridge());
  kernel.change_link("brso1", {.mtu = {}, .mac = {}, .stp = {}, .up = true, .master = {}});
  auto netns = kernel.create_netns();
  const NicPlug nic{.host_name = "vport0", .uid = "abcdefgh-port23456789", .bridge = "brso1", .netns = netns.get(), .name = "eth0",
                    .mac = mac("4a:49:43:49:79:bf"), .mtu = 1500, .addresses = {}, .gateway = {}};
  kernel.plug(nic);
  Heard heard;
  const auto handle = kernel.watch(heard.listener());
  kernel.change_link("vport0", {.mtu = {}, .mac = {}, .stp = {}, .up = {}, .master = 0});
  EXPECT_TRUE(soon([&] { return heard.named("vport0", false); }, a_second));
  this->quiet(heard);
  EXPECT_FALSE(heard.named("vport0", true));
  netns.reset();
  EXPECT_TRUE(soon([&] { return !kernel.find_link("vport0"); }));
  EXPECT_TRUE(soon([&] { return heard.named("vport0", true); }, a_second));
}

TYPED_TEST(Watch, EndsWithItsHandle) {
  Heard heard;
  auto handle = this->kernel().watch(heard.listener());
  this->world().create_link("foreign0");
  EXPECT_TRUE(soon([&] { return heard.named("foreign0", false); }, a_second));
  handle.reset();
  heard.clear();
  this->world().create_link("foreign1");
  std::this_thread::sleep_for(std::chrono::milliseconds{100});
  EXPECT_EQ(heard.count(), 0U);
}

TYPED_TEST(Watch, HandleMayDieInTheListener) {
  std::shared_ptr<void> handle;
  std::mutex mutex;
  std::atomic<int> calls{0};
  {
    const std::lock_guard lock{mutex};
    handle = this->kernel().watch([&](const LinkEvent&, bool) {
      ++calls;
      const std::lock_guard inner{mutex};
      handle.reset();
    });
  }
  this->world().create_link("foreign0");
  EXPECT_TRUE(soon([&] { return calls > 0; }, a_second));
  EXPECT_TRUE(soon([&] {
    const std::lock_guard lock{mutex};
    return handle == nullptr;
  }));
  this->world().create_link("foreign1");
  std::this_thread::sleep_for(std::chrono::milliseconds{100});
  EXPECT_EQ(calls, 1);
}

TYPED_TEST(Watch, LossIsToldOnceAndWatchingGoesOn) {
  Heard heard;
  std::mutex busy;
  const auto handle = this->kernel().watch([&busy, listen = heard.listener()](const LinkEvent& event, bool lost) {
    const std::lock_guard lock{busy};
    listen(event, lost);
  });
  {
    const std::lock_guard lock{busy};
    this->world().lose_events();
  }
  EXPECT_TRUE(soon([&] { return heard.losses() > 0; }));
  this->quiet(heard);
  this->world().create_link("foreign0");
  EXPECT_TRUE(soon([&] { return heard.named("foreign0", false); }, a_second));
  EXPECT_EQ(heard.losses(), 1);
}

TYPED_TEST(Watch, SeveralListenersAllHear) {
  Heard one, two;
  const auto first = this->kernel().watch(one.listener());
  const auto second = this->kernel().watch(two.listener());
  this->world().create_link("foreign0");
  EXPECT_TRUE(soon([&] { return one.named("foreign0", false) && two.named("foreign0", false); }, a_second));
}

}  // namespace
}  // namespace sovirt::contract
