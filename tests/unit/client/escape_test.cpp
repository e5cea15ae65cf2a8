#include <gtest/gtest.h>

#include "client/ctl/escape_keys.hpp"

namespace sovirt::ctl {
namespace {

TEST(EscapeKeys, passes_what_is_typed) {
  EscapeKeys keys;
  EXPECT_EQ(keys.pass("ls -l\r\x03\xc3\xbc"), "ls -l\r\x03\xc3\xbc");
  EXPECT_FALSE(keys.leaves());
}

TEST(EscapeKeys, leaves_with_ctrl_a_q_in_any_pieces) {
  for (const char* last : {"q", "Q"}) {
    EscapeKeys keys;
    EXPECT_EQ(keys.pass("ab\x01"), "ab");
    EXPECT_FALSE(keys.leaves());
    EXPECT_EQ(keys.pass(last), "");
    EXPECT_TRUE(keys.leaves());
    EXPECT_EQ(keys.pass("more"), "");
  }
  EscapeKeys keys;
  EXPECT_EQ(keys.pass("a\x01qb"), "a");
  EXPECT_TRUE(keys.leaves());
}

TEST(EscapeKeys, gives_back_what_was_no_escape) {
  EscapeKeys keys;
  EXPECT_EQ(keys.pass("\x01\x01"), "\x01");
  EXPECT_EQ(keys.pass("\x01x"), "\x01x");
  EXPECT_EQ(keys.pass("q"), "q");
  EXPECT_FALSE(keys.leaves());
}

}  // namespace
}  // namespace sovirt::ctl
