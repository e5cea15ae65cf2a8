#include "api/resource.hpp"

#include "tests/unit/api/errors.hpp"

namespace sovirt {
namespace {

TEST(SplitBody, takes_name_and_labels_off_the_spec) {
  const auto parts = split_body(Json::parse(R"({"name":"web","labels":{"tier":"front/1","x":""},"mtu":1500})"));
  EXPECT_EQ(parts.name, "web");
  EXPECT_EQ(parts.labels, (Labels{{"tier", "front/1"}, {"x", ""}}));
  EXPECT_EQ(parts.spec, Json::parse(R"({"mtu":1500})"));
  EXPECT_EQ(split_body(Json::object()).name, "");
}

TEST(SplitBody, refuses) {
  const std::pair<const char*, const char*> cases[] = {{"[]", " type"}, {"null", " type"}, {R"({"name":1})", "/name type"}, {R"({"labels":[]})", "/labels type"},
      {R"({"labels":{"a":1}})", "/labels/a type"}, {R"({"labels":{"":"x"}})", "/labels/ format"}, {R"({"labels":{"a b":"x"}})", "/labels/a b format"}, {R"({"labels":{"a":"ü"}})", "/labels/a format"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(errors_of([&] { split_body(Json::parse(text)); }), wanted) << text;
}

TEST(Labels, lengths) {
  EXPECT_EQ(read_labels({{std::string(63, 'k'), std::string(63, 'v')}}).size(), 1u);
  EXPECT_EQ(errors_of([] { read_labels({{std::string(64, 'k'), "v"}}); }), "/labels/" + std::string(64, 'k') + " format");
  EXPECT_EQ(errors_of([] { read_labels({{"k", std::string(64, 'v')}}); }), "/labels/k format");
  EXPECT_TRUE(read_labels(nullptr).empty());
}

TEST(WriteResource, has_the_members_of_the_contract) {
  Resource resource{Kind::bridge, "brso1", "abcdefgh-abcdefghijkl", 3, {{"a", "b"}}, {{"mtu", 1500}}, {{"mac", "secret"}},
                    *parse_rfc3339("2026-11-23T12:00:00Z"), *parse_rfc3339("2026-11-23T12:00:01Z")};
  EXPECT_EQ(write_resource(resource, {{"state", "up"}}), Json::parse(R"({"kind":"bridge","name":"brso1","uid":"abcdefgh-abcdefghijkl","revision":3,"labels":{"a":"b"},
    "created_at":"2026-11-23T12:00:00.000000Z","updated_at":"2026-11-23T12:00:01.000000Z","spec":{"mtu":1500},"status":{"state":"up"}})"));
}

}  // namespace
}  // namespace sovirt
