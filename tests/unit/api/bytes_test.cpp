#include "api/bytes.hpp"

#include <gtest/gtest.h>

#include "api/timestamp.hpp"

namespace sovirt {
namespace {

using namespace std::chrono_literals;

TEST(Bytes, parse) {
  const std::pair<const char*, std::uint64_t> cases[] = {{"0", 0}, {"17", 17}, {"17B", 17}, {"512M", 536870912}, {"512m", 536870912}, {"1.5G", 1610612736},
      {"64KiB", 65536}, {"64KB", 65536}, {"64K", 65536}, {"64Ki", 65536}, {"0.5K", 512}, {"1T", 1099511627776}, {"15E", 15ull << 60}, {"1.25M", 1310720},
      {"18446744073709551615", UINT64_MAX}, {"0.1K", 102}};
  for (const auto& [text, value] : cases) EXPECT_EQ(parse_bytes(text), value) << text;
  for (const char* text : {"", "M", "-1", "+1", "1.5", "1.5B", ".5G", "1.G", "1 M", " 1M", "1X", "1MM", "1Mi B", "16E", "18446744073709551616", "99999999999999999999G",
                           "1e3", "1,5G", "0x10", "1.0000000000000000000000001G"})
    EXPECT_FALSE(parse_bytes(text)) << text;
}

TEST(Bytes, text) {
  const std::pair<std::uint64_t, const char*> cases[] = {{0, "0B"}, {17, "17B"}, {1023, "1023B"}, {1024, "1.0K"}, {1288490188, "1.2G"}, {536870912, "512.0M"},
      {1048575, "1.0M"}, {1047552, "1023.0K"}, {UINT64_MAX, "16.0E"}};
  for (const auto& [value, text] : cases) EXPECT_EQ(bytes_text(value), text) << value;
}

TEST(Duration, parse) {
  const std::pair<const char*, std::chrono::nanoseconds> cases[] = {{"10s", 10s}, {"2m", 2min}, {"500ms", 500ms}, {"1h30m", 90min}, {"3d4h", 76h}, {"1.5s", 1500ms},
      {"10", 10s}, {"0", 0s}, {"5us", 5us}, {"7ns", 7ns}, {"1m1ms", 1min + 1ms}};
  for (const auto& [text, value] : cases) EXPECT_EQ(parse_duration(text), value) << text;
  for (const char* text : {"", "s", "-1s", "1x", "1h30", "30m1h", "1s1s", "1 s", "1.s", "1000000000d", "1S"}) EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Duration, text) {
  const std::pair<std::chrono::nanoseconds, const char*> cases[] = {{76h, "3d4h"}, {12min, "12m"}, {4200ms, "4.2s"}, {850ms, "850ms"}, {0s, "0s"}, {12us, "12us"},
      {5ns, "5ns"}, {90min, "1h30m"}, {61s, "1m1s"}, {59999ms, "59.9s"}, {24h, "1d"}, {-3s, "-3.0s"}};
  for (const auto& [value, text] : cases) EXPECT_EQ(duration_text(value), text);
}

TEST(Timestamp, both_ways) {
  const auto time = parse_rfc3339("2026-11-23T12:00:00.123456Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(rfc3339(*time), "2026-11-23T12:00:00.123456Z");
  const std::pair<const char*, const char*> cases[] = {{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"}, {"2024-02-29T23:59:59.5+02:00", "2024-02-29T21:59:59.500000Z"},
      {"2026-01-01T00:00:00-05:30", "2026-01-01T05:30:00.000000Z"}, {"2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456Z"}, {"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"}};
  for (const auto& [in, out] : cases) {
    const auto parsed = parse_rfc3339(in);
    ASSERT_TRUE(parsed) << in;
    EXPECT_EQ(rfc3339(*parsed), out);
  }
  for (const char* text : {"", "2026-11-23", "2026-11-23T12:00:00", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T12:60:00Z",
                           "2026-11-23T12:00:00.Z", "2026-11-23 12:00:00Z", "2026-11-23T12:00:00Zx", "2026-11-23T12:00:00+2:00", "26-11-23T12:00:00Z", "2026-11-23T12:00:-1Z"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  EXPECT_GT(now(), *parse_rfc3339("2024-01-01T00:00:00Z"));
}

}  // namespace
}  // namespace sovirt
