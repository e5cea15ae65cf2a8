#include "api/reader.hpp"

#include <nlohmann/json.hpp>

#include "tests/unit/api/errors.hpp"

namespace sovirt {
namespace {

std::string read_errors(const char* text, const std::function<void(ObjectReader&)>& read) {
  return errors_of([&] {
    const auto json = Json::parse(text);
    std::vector<FieldError> errors;
    ObjectReader in{json, "", errors};
    read(in);
    in.finish();
    throw_if_any(std::move(errors));
  });
}

TEST(ObjectReader, collects_every_wrong_field) {
  EXPECT_EQ(read_errors(R"({"a":"x","b":70000,"c":[1,"y"],"d/e":1,"f":{"g":true}})", [](ObjectReader& in) {
    EXPECT_FALSE(in.boolean("a"));
    EXPECT_FALSE(in.integer("b", 68, 65535));
    EXPECT_FALSE(in.strings("c"));
    in.object("f", [](ObjectReader& f) { EXPECT_FALSE(f.string("g")); });
    in.require("h");
  }), "/a type; /b range; /c/0 type; /f/g type; /h required; /d~1e unknown-field");
}

TEST(ObjectReader, what_is_absent_or_null_is_nothing) {
  EXPECT_EQ(read_errors(R"({"a":null,"b":null,"c":null,"o":null,"l":null})", [](ObjectReader& in) {
    EXPECT_FALSE(in.boolean("a"));
    EXPECT_FALSE(in.string("b"));
    EXPECT_FALSE(in.integer("c", 0, 1));
    EXPECT_FALSE(in.cidr("absent"));
    EXPECT_FALSE(in.has("a"));
    EXPECT_FALSE(in.object("o", [](ObjectReader&) { FAIL(); }));
    EXPECT_FALSE(in.objects("l", 1, [](ObjectReader&, std::size_t) { FAIL(); }));
    EXPECT_EQ(in.raw("absent"), nullptr);
  }), "");
}

TEST(ObjectReader, bounds_of_numbers) {
  const auto integer = [](const char* text) {
    return read_errors(text, [](ObjectReader& in) { in.integer("n", -5, 5); });
  };
  EXPECT_EQ(integer(R"({"n":-5})"), "");
  EXPECT_EQ(integer(R"({"n":5})"), "");
  EXPECT_EQ(integer(R"({"n":6})"), "/n range");
  EXPECT_EQ(integer(R"({"n":-6})"), "/n range");
  EXPECT_EQ(integer(R"({"n":18446744073709551615})"), "/n range");  // -1, were it taken for a signed one
  EXPECT_EQ(integer(R"({"n":1.5})"), "/n type");
  EXPECT_EQ(integer(R"({"n":"1"})"), "/n type");
  const auto natural = [](const char* text) {
    return read_errors(text, [](ObjectReader& in) { in.unsigned_integer("n", UINT64_MAX); });
  };
  EXPECT_EQ(natural(R"({"n":18446744073709551615})"), "");
  EXPECT_EQ(natural(R"({"n":-1})"), "/n range");
}

TEST(ObjectReader, of_what_is_no_object_says_so_once) {
  EXPECT_EQ(read_errors("[]", [](ObjectReader& in) {
    in.require("a");
    EXPECT_FALSE(in.string("a"));
  }), " type");
  EXPECT_EQ(read_errors(R"({"o":1,"l":[{"a":1},2,{"b":1}]})", [](ObjectReader& in) {
    EXPECT_FALSE(in.object("o", [](ObjectReader&) { FAIL(); }));
    in.objects("l", 3, [](ObjectReader& item, std::size_t) { item.raw("a"); });
  }), "/o type; /l/1 type; /l/2/b unknown-field");
}

TEST(ObjectReader, texts) {
  EXPECT_EQ(read_errors(R"({"c":"10.1/16","m":"4a","i":"x","l":["1.2.3.4/24","y"],"s":{"k":1},"e":"no"})", [](ObjectReader& in) {
    in.cidr("c");
    in.mac("m");
    in.address("i");
    in.cidrs("l");
    in.string_map("s");
    in.choice("e", {"yes", "maybe"});
  }), "/c format; /m format; /i format; /l/1 format; /s/k type; /e choice");
  EXPECT_EQ(read_errors(R"({"a":"abc","b":["x","y"],"c":["abc"],"d":{"a":"b","c":"d"}})", [](ObjectReader& in) {
    in.string("a", 2);
    in.strings("b", 1);
    in.strings("c", 9, 2);
    in.string_map("d", 1);
  }), "/a range; /b range; /c/0 range; /d range");
}

TEST(ObjectReader, not_yet_takes_the_default_only) {
  const auto read = [](const char* text) {
    return read_errors(text, [](ObjectReader& in) {
      in.not_yet("nat", false);
      in.not_yet("dhcp", {{"enabled", false}, {"lease_time", 3600}});
    });
  };
  EXPECT_EQ(read(R"({})"), "");
  EXPECT_EQ(read(R"({"nat":false,"dhcp":{"enabled":false}})"), "");
  EXPECT_EQ(read(R"({"nat":null,"dhcp":{"enabled":false,"lease_time":3600}})"), "");
  EXPECT_EQ(read(R"({"nat":true,"dhcp":{"enabled":true}})"), "/nat unsupported; /dhcp unsupported");
  EXPECT_EQ(read(R"({"nat":0,"dhcp":{"other":1}})"), "/nat unsupported; /dhcp unsupported");
}

TEST(ThrowIfAny, summary_names_the_first_and_counts_the_rest) {
  EXPECT_NO_THROW(throw_if_any({}));
  EXPECT_EQ(detail_of([] { throw_if_any({{"/mtu", "range", "too small"}, {"/mac", "format", "x"}}); }), "/mtu: too small (and 1 more)");
}

}  // namespace
}  // namespace sovirt
