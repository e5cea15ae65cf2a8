#include "daemon/kernel/exec/exec_pump.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/base/pipe.hpp"

namespace sovirt {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t limit = 1000;

// A command as the pump sees one: three descriptors and one that tells of the end.
class ExecPumpTest : public testing::Test {
 protected:
  ExecResult run(std::chrono::seconds patience = 10s) {
    const auto kill = [&] {
      ++killed_;
      if (dies_) end(SIGKILL);
    };
    ExecPump pump{request_, limit, patience};
    return pump.run(std::move(streams_), told_.read.get(), kill, [&] { return exit_; });
  }
  void end(int signal) {
    exit_.signal = signal;
    told_.write.reset();
  }
  // It always has something to read: as a command that writes without end, but never caught between two writes.
  static unique_fd endless() { return unique_fd{::open("/dev/zero", O_RDONLY | O_CLOEXEC)}; }

  ExecRequest request_;
  Pipe told_ = make_pipe(), input_ = make_pipe(), output_ = make_pipe(), errors_ = make_pipe();
  ExecPump::Streams streams_{std::move(input_.write), std::move(output_.read), std::move(errors_.read)};
  ExitStatus exit_;
  bool dies_ = true;
  int killed_ = 0;
};

TEST_F(ExecPumpTest, TheTimeOfWhatWritesWithoutEndIsOverToo) {
  streams_.output = endless();
  request_.timeout = 20ms;
  const ExecResult result = run();
  EXPECT_EQ(killed_, 1);
  EXPECT_TRUE(result.timed_out);
  EXPECT_TRUE(result.truncated);
  EXPECT_EQ(result.output.size(), limit);
  EXPECT_EQ(result.exit.signal, SIGKILL);
}

TEST_F(ExecPumpTest, WhatIsLeftRunningAndWritesWithoutEndIsNotWaitedFor) {
  streams_.error_output = endless();
  ASSERT_EQ(::write(output_.write.get(), "last words", 10), 10);
  end(SIGTERM);
  const ExecResult result = run();
  EXPECT_EQ(killed_, 0);
  EXPECT_FALSE(result.timed_out);
  EXPECT_EQ(result.output, "last words");
  EXPECT_EQ(result.exit.signal, SIGTERM);
}

TEST_F(ExecPumpTest, WhatDoesNotDieIsAnError) {
  dies_ = false;
  request_.timeout = 1ms;
  try {
    run(0s);
    FAIL() << "it came to an end";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::timed_out);
  }
  EXPECT_EQ(killed_, 1);
}

TEST_F(ExecPumpTest, InputIsWrittenToItsEnd) {
  request_.input = std::string(200'000, 'x') + "end";   // more than a pipe holds
  std::string got;
  std::jthread reader{[&] {
    char block[4096];
    for (ssize_t size; (size = ::read(input_.read.get(), block, sizeof block)) > 0;) got.append(block, static_cast<std::size_t>(size));
    end(0);
  }};
  run();
  reader.join();
  EXPECT_EQ(got, request_.input);
}

TEST_F(ExecPumpTest, InputThatIsNotWantedKillsNobody) {
  request_.input = "nobody reads this";
  input_.read.reset();
  std::jthread later{[&] {
    std::this_thread::sleep_for(20ms);
    end(0);
  }};
  EXPECT_FALSE(run().timed_out);
}

}  // namespace
}  // namespace sovirt
