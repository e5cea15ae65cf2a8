#include "daemon/server/header_values.hpp"

#include <gtest/gtest.h>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {
using namespace std::chrono_literals;

TEST(EntityTags, AreRead) {
  EXPECT_TRUE(read_entity_tags("If-Match", " * ").any);
  EXPECT_EQ(read_entity_tags("If-Match", "\"3\"").revisions, std::vector<std::int64_t>{3});
  EXPECT_EQ(read_entity_tags("If-Match", "\"3\" , W/\"4\",\"5\"").revisions, (std::vector<std::int64_t>{3, 5}));
  EXPECT_EQ(read_entity_tags("If-Match", "W/\"4\"").weak, std::vector<std::int64_t>{4});
  EXPECT_EQ(read_entity_tags("If-Match", "\"abc\", \"0\", \"-1\", \"a,b\"").foreign, 4u);
}

TEST(EntityTags, AreRefused) {
  for (const char* text : {"3", "\"3", "3\"", "", "\"3\",", "\"3\" \"4\"", "*, \"3\"", "w/\"3\""})
    EXPECT_THROW(read_entity_tags("If-Match", text), Error) << text;
}

TEST(Accept, TakesTheMostSpecificRange) {
  const std::string json = "application/json";
  EXPECT_TRUE(accepts("*/*", json));
  EXPECT_TRUE(accepts("application/*", json));
  EXPECT_TRUE(accepts("text/html, application/json;q=0.1", json));
  EXPECT_TRUE(accepts("Application/JSON", json));
  EXPECT_TRUE(accepts("*/*;q=0, application/json", json));
  EXPECT_FALSE(accepts("application/json;q=0, */*", json));
  EXPECT_FALSE(accepts("application/json; q=0.0", json));
  EXPECT_FALSE(accepts("application/json; q=x", json));
  EXPECT_FALSE(accepts("text/html", json));
  EXPECT_FALSE(accepts("", json));
  EXPECT_FALSE(accepts("application/jsonx", json));
}

TEST(MediaType, IsWithoutItsParameters) {
  EXPECT_EQ(media_type("application/json"), "application/json");
  EXPECT_EQ(media_type("Application/JSON ; charset=\"utf-8\""), "application/json");
  EXPECT_EQ(media_type("application/json;charset=latin1"), "");
}

TEST(Prefer, WaitIsUnderstood) {
  EXPECT_EQ(preferred_wait("wait=10"), 10s);
  EXPECT_EQ(preferred_wait("respond-async, WAIT = 5;x=y"), 5s);
  EXPECT_EQ(preferred_wait("wait=100000"), 300s);
  EXPECT_EQ(preferred_wait("wait=-1"), std::nullopt);
  EXPECT_EQ(preferred_wait("wait"), std::nullopt);
  EXPECT_EQ(preferred_wait("await=10"), std::nullopt);
}

TEST(QueryValues, AreStrict) {
  EXPECT_EQ(read_number("n", "7", 0, 10), 7u);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "0x1", "11", "1e1"}) EXPECT_THROW(read_number("n", text, 0, 10), Error) << text;
  EXPECT_TRUE(read_flag("f", ""));
  EXPECT_TRUE(read_flag("f", "true"));
  EXPECT_FALSE(read_flag("f", "false"));
  for (const char* text : {"1", "TRUE", "yes"}) EXPECT_THROW(read_flag("f", text), Error) << text;
  EXPECT_EQ(read_wait("wait", "30s"), 30s);
  EXPECT_EQ(read_wait("wait", "30"), 30s);
  EXPECT_EQ(read_wait("wait", "500ms"), 500ms);
  for (const char* text : {"", "x", "-1s", "301s", "301", "10m"}) EXPECT_THROW(read_wait("wait", text), Error) << text;
}

}  // namespace
}  // namespace sovirt
