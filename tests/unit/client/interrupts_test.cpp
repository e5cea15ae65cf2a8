#include "client/ctl/interrupts.hpp"

#include <gtest/gtest.h>
#include <poll.h>

namespace sovirt::ctl {
namespace {

bool heard(const Interrupts& interrupts) {
  pollfd one{interrupts.fd(), POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

TEST(Interrupts, OneThatWasHeardDoesNotStrikeWhenTheyEnd) {
  {
    const Interrupts interrupts;
    EXPECT_FALSE(heard(interrupts));
    ::raise(SIGINT);
    EXPECT_TRUE(heard(interrupts));
  }
  const Interrupts next;
  EXPECT_FALSE(heard(next));
}

// A view that goes on asks the daemon again and again: Ctrl-C at the very end of one request is for the view.
TEST(Interrupts, InnerOnesLeaveItToTheOuterOnes) {
  const Interrupts outer;
  {
    const Interrupts inner;
    ::raise(SIGINT);
  }
  EXPECT_TRUE(heard(outer));
}

}  // namespace
}  // namespace sovirt::ctl
