#include "daemon/store/state_lock.hpp"

#include <chrono>
#include <memory>
#include <thread>

#include "tests/unit/store/fixture.hpp"

namespace sovirt {
namespace {

class StateLockTest : public StoreTest {};

TEST_F(StateLockTest, one_holder_at_a_time) {
  {
    const StateLock held{directory_};
    const auto error = error_of([&] { StateLock{directory_}; });
    EXPECT_EQ(error.substr(0, 9), "conflict:");
    EXPECT_NE(error.find("(pid " + std::to_string(::getpid()) + ")"), std::string::npos) << error;
    EXPECT_NE(error.find(directory_), std::string::npos);
  }
  EXPECT_EQ(error_of([&] { StateLock{directory_}; }), "");
}

TEST_F(StateLockTest, ends_with_its_process) {
  run_and_die([&] {
    const StateLock held{directory_};
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_EQ(error_of([&] { StateLock{directory_}; }), "");
}

// A child that is just being made has the descriptor of a daemon that was killed meanwhile, until it execs.
TEST_F(StateLockTest, waits_for_one_that_is_ending) {
  auto held = std::make_unique<StateLock>(directory_);
  std::jthread ending{[&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    held.reset();
  }};
  EXPECT_EQ(error_of([&] { StateLock{directory_}; }), "");
}

TEST_F(StateLockTest, a_directory_that_is_not_there) {
  EXPECT_NE(error_of([&] { StateLock{directory_ + "/absent"}; }).find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace sovirt
