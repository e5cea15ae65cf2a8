#include <gtest/gtest.h>

#include <signal.h>

#include "daemon/server/exec_frames.hpp"

namespace sovirt::test {
namespace {

using namespace std::string_literals;

int code_of(std::string_view message, bool binary = true) {
  try {
    read_client_frame(message, binary);
  } catch (const Violation& violation) {
    return static_cast<int>(violation.code());
  }
  return 0;
}

TEST(ExecFrames, input_is_any_bytes) {
  const std::string message = "\0a\0\xff"s;
  const ClientFrame frame = read_client_frame(message, true);
  EXPECT_EQ(frame.channel, Channel::input);
  EXPECT_EQ(frame.bytes, "a\0\xff"s);
  EXPECT_EQ(read_client_frame("\0"s, true).bytes, "");
}

TEST(ExecFrames, resize_has_both_extents_within_bounds) {
  const ClientFrame frame = read_client_frame("\3{\"rows\":1,\"cols\":65535}", true);
  EXPECT_EQ(frame.channel, Channel::resize);
  EXPECT_EQ(frame.size.rows, 1);
  EXPECT_EQ(frame.size.columns, 65535);
  for (const char* bad : {"\3", "\3{", "\3[]", "\3{}", "\3{\"rows\":1}", "\3{\"rows\":\"1\",\"cols\":1}", "\3{\"rows\":1.0,\"cols\":1}", "\3\xff"})
    EXPECT_EQ(code_of(bad), 1007) << bad;
  for (const char* bad : {"\3{\"rows\":0,\"cols\":1}", "\3{\"rows\":1,\"cols\":65536}", "\3{\"rows\":-1,\"cols\":1}", "\3{\"rows\":18446744073709551615,\"cols\":1}"})
    EXPECT_EQ(code_of(bad), 1008) << bad;
}

TEST(ExecFrames, signal_has_many_names) {
  for (const char* good : {"\4TERM", "\4SIGTERM", "\4" "15", "\4\"TERM\"", "\4{\"signal\":\"TERM\"}", "\4{\"signal\":15}"})
    EXPECT_EQ(read_client_frame(good, true).signal, SIGTERM) << good;
  EXPECT_EQ(read_client_frame("\4RTMIN+3", true).signal, SIGRTMIN + 3);
  for (const char* bad : {"\4", "\4NOSUCH", "\4" "0", "\4-1", "\4" "65", "\4{}", "\4null", "\4[15]", "\4" "99999999999999999999"}) EXPECT_EQ(code_of(bad), 1008) << bad;
}

TEST(ExecFrames, refuses_what_is_none) {
  EXPECT_EQ(code_of("\0a"s, false), 1003);
  EXPECT_EQ(code_of(""), 1008);
  for (const char channel : {'\1', '\2', '\5', '\6', '\x7f', '\xff'}) EXPECT_EQ(code_of(std::string(1, channel) + "x"), 1008) << int{channel};
  EXPECT_EQ(code_of("\3" + std::string(257, ' ')), 1009);
  EXPECT_EQ(code_of("\4" + std::string(257, 'A')), 1009);
}

TEST(ExecFrames, the_end_has_code_or_signal) {
  EXPECT_EQ(write_end_frame({0, std::nullopt, {}}), "\5{\"code\":0,\"signal\":null}");
  EXPECT_EQ(write_end_frame({std::nullopt, 9, {}}), "\5{\"code\":null,\"signal\":9}");
  EXPECT_EQ(write_end_frame({}), "\5{\"code\":null,\"signal\":null}");
}

}  // namespace
}  // namespace sovirt::test
