#include <nlohmann/json.hpp>

#include "api/reader.hpp"
#include "tests/unit/api/errors.hpp"

namespace sovirt {
namespace {

std::string parse_errors(std::string_view text, const ParseLimits& limits = {}) {
  return errors_of([&] { parse_json(text, limits); });
}

TEST(ParseJson, gives_the_document) {
  const auto json = parse_json(R"( {"a":[1,-2,3.5,true,null,"x\u00e9\ud83d\ude00"],"b":{"c":18446744073709551615}} )");
  EXPECT_EQ(json, Json::parse(R"({"a":[1,-2,3.5,true,null,"xé😀"],"b":{"c":18446744073709551615}})"));
  EXPECT_EQ(parse_json("[[],{},[{}]]").dump(), "[[],{},[{}]]");
  EXPECT_EQ(parse_json("7"), Json(7));
}

TEST(ParseJson, refuses) {
  const std::pair<std::string, const char*> cases[] = {
      {"", " syntax"}, {" \n", " syntax"}, {"\xef\xbb\xbf{}", " syntax"}, {"{", " syntax"}, {"{}x", " syntax"}, {"{} {}", " syntax"}, {"[1,]", "/1 syntax"},
      {"{'a':1}", " syntax"}, {"// c\n{}", " syntax"}, {"NaN", " syntax"}, {"[01]", "/1 syntax"}, {"{\"a\":tru}", "/a syntax"}, {std::string("{}\0x", 4), " syntax"},
      {std::string("{\"a\":\"\0\"}", 9), " syntax"}, {"{\"a\":\"\n\"}", "/a syntax"},
      {R"({"a":1,"a":2})", "/a duplicate-key"}, {R"({"x":[0,{"a/b":1,"a/b":1}]})", "/x/1/a~1b duplicate-key"}, {R"({"a":{"b":1},"\u0061":1})", "/a duplicate-key"},
      {R"({"a":"\u0000"})", "/a format"}, {R"({"a\u0000b":1})", " format"}, {R"({"a":"\ud800"})", "/a syntax"}, {R"({"a":"\udc00"})", "/a syntax"}, {R"({"a":"\ud800\u0041"})", "/a syntax"},
      {"[1e999]", "/0 range"}, {"{\"a\":-1e999}", "/a range"}, {"{\"a\":18446744073709551616}", "/a range"}, {"{\"a\":-9223372036854775809}", "/a range"},
      {"\"\xff\"", " utf-8"}, {"\"\xc0\x80\"", " utf-8"}, {"\"\xed\xa0\x80\"", " utf-8"}, {"\"\xf4\x90\x80\x80\"", " utf-8"}, {"\"\xe2\x82\"", " utf-8"}, {"\"\xe0\x80\xaf\"", " utf-8"}, {"\"\x80\"", " utf-8"},
      {"\"\xf0\x8f\xbf\xbf\"", " utf-8"}, {"\"\xf5\x80\x80\x80\"", " utf-8"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(parse_errors(text), wanted) << text << ": " << detail_of([&] { parse_json(text); });
}

TEST(ParseJson, accepts_the_corners_of_utf8) {
  for (const char* text : {"\"\xc2\x80\"", "\"\xdf\xbf\"", "\"\xe0\xa0\x80\"", "\"\xed\x9f\xbf\"", "\"\xee\x80\x80\"", "\"\xef\xbf\xbf\"", "\"\xf0\x90\x80\x80\"", "\"\xf4\x8f\xbf\xbf\""})
    EXPECT_EQ(parse_errors(text), "") << text;
}

TEST(ParseJson, says_where) {
  EXPECT_NE(detail_of([] { parse_json("{\n  \"a\": tru\n}"); }).find("line 2, column"), std::string::npos);
  EXPECT_NE(detail_of([] { parse_json("{\n \"\xff\"}"); }).find("line 2, column 3"), std::string::npos);
}

TEST(ParseJson, limits) {
  const auto nested = [](int depth) { return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']'); };
  EXPECT_EQ(parse_errors(nested(32)), "");
  EXPECT_NE(parse_errors(nested(33)).find(" depth"), std::string::npos);
  EXPECT_NE(parse_errors(std::string(500'000, '[')).find(" depth"), std::string::npos);
  EXPECT_EQ(parse_errors(R"({"a":{"b":[{}]}})", {1 << 20, 3}), "/a/b/0 depth");
  EXPECT_EQ(parse_errors("[1234]", {6, 32}), "");
  EXPECT_EQ(parse_errors("[12345]", {6, 32}), "too-large");
}

// The examples of RFC 7396, appendix A.
TEST(MergePatch, table_of_the_rfc) {
  const char* cases[][3] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"}, {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"}, {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"}, {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"}, {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"}, {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"}, {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"}, {R"({"a":"foo"})", "null", "null"}, {R"({"a":"foo"})", R"("bar")", R"("bar")"}, {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"}, {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}};
  for (const auto& [target, patch, result] : cases)
    EXPECT_EQ(merge_patch(Json::parse(target), Json::parse(patch)), Json::parse(result)) << target << " + " << patch;
}

}  // namespace
}  // namespace sovirt
