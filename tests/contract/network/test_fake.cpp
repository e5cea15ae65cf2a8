// What only the fake has: failures on request, events in the caller's thread, loss.
#include <gtest/gtest.h>

#include "tests/contract/network/worlds.hpp"

namespace sovirt::contract {
namespace {

using fakes::Delivery;
using fakes::FakeNetworkKernel;

TEST(FakeNetwork, NthCallFailsOnceAndChangesNothing) {
  FakeNetworkKernel kernel;
  kernel.create_bridge(bridge());
  kernel.fail_call(2, Error{Code::disk_full, "made up"});
  EXPECT_TRUE(kernel.find_link("brso1"));
  const auto error = error_of([&] { kernel.delete_link("brso1", bridge_uid); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::disk_full);
  EXPECT_TRUE(kernel.find_link("brso1"));
  EXPECT_TRUE(kernel.delete_link("brso1", bridge_uid));
  EXPECT_EQ(kernel.calls(), 5);
}

TEST(FakeNetwork, SynchronousEventsComeBeforeTheCallReturns) {
  FakeNetworkKernel kernel{Delivery::synchronous};
  std::vector<std::string> heard;
  const auto handle = kernel.watch([&](const LinkEvent& event, bool) {
    heard.push_back(event.name);
    // As a repair does it: a change out of the listener, whose own event comes after this one.
    if (event.name == "foreign0" && !event.gone) kernel.create_bridge(bridge());
  });
  kernel.foreign_create_link("foreign0");
  EXPECT_EQ(heard, (std::vector<std::string>{"foreign0", "brso1"}));
}

TEST(FakeNetwork, EventsByThreadHaveArrivedAfterSettle) {
  FakeNetworkKernel kernel{Delivery::by_thread};
  const auto here = std::this_thread::get_id();
  std::vector<std::string> heard;
  std::thread::id where = here;
  const auto handle = kernel.watch([&](const LinkEvent& event, bool) {
    heard.push_back(event.name);
    where = std::this_thread::get_id();
  });
  kernel.foreign_create_link("foreign0");
  kernel.foreign_delete_link("foreign0");
  kernel.settle();
  EXPECT_EQ(heard, (std::vector<std::string>{"foreign0", "foreign0"}));
  EXPECT_NE(where, here);
}

TEST(FakeNetwork, LossIsTold) {
  FakeNetworkKernel kernel{Delivery::synchronous};
  int lost = 0;
  const auto handle = kernel.watch([&](const LinkEvent&, bool loss) { lost += loss ? 1 : 0; });
  kernel.lose_events();
  EXPECT_EQ(lost, 1);
}

TEST(FakeNetwork, MarkTakenAwayMakesALinkForeign) {
  FakeNetworkKernel kernel;
  kernel.create_bridge(bridge());
  kernel.foreign_remove_mark("brso1");
  EXPECT_FALSE(kernel.delete_link("brso1", bridge_uid));
  EXPECT_EQ(error_of([&] { kernel.create_bridge(bridge()); }).value().code(), Code::conflict);
}

TEST(FakeNetwork, ProcessHoldsItsNamespace) {
  FakeNetworkKernel kernel;
  auto netns = kernel.create_netns();
  kernel.add_process(77, netns.get());
  netns.reset();
  auto opened = kernel.open_netns(77);
  EXPECT_EQ(kernel.links_in(opened.get()).size(), 1U);
  opened.reset();
  kernel.remove_process(77);
  EXPECT_EQ(error_of([&] { kernel.open_netns(77); }).value().code(), Code::not_found);
}

}  // namespace
}  // namespace sovirt::contract
