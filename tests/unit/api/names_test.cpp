#include "api/names.hpp"

#include "tests/unit/api/errors.hpp"

namespace sovirt {
namespace {

TEST(Names, accepts_what_the_contract_allows) {
  for (const char* name : {"a", "web", "web-1", "a--", "z9", "brso1-with-15-c"}) {
    EXPECT_TRUE(valid_name(name)) << name;
    EXPECT_NO_THROW(check_name(Kind::bridge, name)) << name;
  }
  EXPECT_NO_THROW(check_name(Kind::container, std::string(63, 'a')));
}

TEST(Names, refuses_with_the_rule_that_is_broken) {
  struct Case { Kind kind; std::string name, says; };
  const Case cases[] = {
      {Kind::bridge, "", "cannot be empty"},
      {Kind::bridge, "brso1-with-16-ch", "an interface name has at most 15 bytes, this one 16"},
      {Kind::container, std::string(64, 'a'), "has at most 63 bytes, this one 64"},
      {Kind::container, "-x", "must begin with a-z"},
      {Kind::container, "1web", "must begin with a-z"},
      {Kind::bridge, "br%d", "'%' is not allowed"},
      {Kind::bridge, "..", "'.' is not allowed"},
      {Kind::container, "a/b", "'/' is not allowed"},
      {Kind::container, "Web", "'W' is not allowed"},
      {Kind::container, "a b", "a space is not allowed"},
      {Kind::container, "b\xc3\xbc", "byte 0xc3 is not allowed"},
      {Kind::container, std::string("a\0b", 3), "byte 0x00 is not allowed"},
      {Kind::image, "a_b", "'_' is not allowed"},
      {Kind::image, "a\n", "byte 0x0a is not allowed"},
  };
  for (const auto& c : cases) {
    EXPECT_FALSE(valid_name(c.name, c.kind == Kind::bridge ? 15 : 63)) << c.name;
    EXPECT_EQ(errors_of([&] { check_name(c.kind, c.name); }), "bad-name") << c.name;
    EXPECT_NE(detail_of([&] { check_name(c.kind, c.name); }).find(c.says), std::string::npos)
        << detail_of([&] { check_name(c.kind, c.name); });
  }
}

TEST(Names, kinds_have_one_text_each_way) {
  for (const Kind kind : {Kind::bridge, Kind::container, Kind::image}) {
    Kind again{};
    EXPECT_TRUE(kind_from_text(kind_text(kind), again));
    EXPECT_EQ(again, kind);
    EXPECT_TRUE(kind_from_plural(kind_plural(kind), again));
    EXPECT_EQ(again, kind);
  }
  Kind untouched = Kind::image;
  EXPECT_FALSE(kind_from_text("bridges", untouched));
  EXPECT_FALSE(kind_from_plural("bridge", untouched));
  EXPECT_EQ(untouched, Kind::image);
  EXPECT_EQ(object_ref(Kind::container, "web"), "container/web");
}

}  // namespace
}  // namespace sovirt
