#include "api/problem.hpp"

#include <cerrno>

#include <nlohmann/json.hpp>

#include "tests/unit/api/errors.hpp"

namespace sovirt {
namespace {

TEST(Problem, says_all_and_is_read_back) {
  const auto error = Error{Code::duplicate, "172.16.2.10 is held"}
                         .with_conflicts({"container/web"})
                         .with_fields({{"/nics/0/addresses/0", "duplicate", "held"}})
                         .with_hint("take another")
                         .with_errno(EEXIST, "RTM_NEWADDR");
  const auto json = write_problem(error, "/v1/containers/so1", "r1");
  EXPECT_EQ(json, Json::parse(R"({"type":"urn:sovirt:problem:duplicate","title":"Held by something else","status":409,"code":"duplicate","detail":"172.16.2.10 is held",
    "instance":"/v1/containers/so1","request_id":"r1","errors":[{"pointer":"/nics/0/addresses/0","code":"duplicate","detail":"held"}],"conflicts_with":["container/web"],
    "hint":"take another","errno":17,"syscall":"RTM_NEWADDR"})"));
  const auto again = read_problem(json);
  EXPECT_EQ(write_problem(again, "/v1/containers/so1", "r1"), json);
}

TEST(Problem, leaves_out_what_does_not_apply) {
  const auto json = write_problem(Error{Code::not_found, "no such bridge"}, "", "");
  EXPECT_EQ(json.size(), 5u);
  EXPECT_EQ(json["status"], 404);
}

TEST(Problem, reads_anything) {
  for (const char* text : {"null", "[]", "7", "{}", R"({"code":"never-heard-of","errors":7,"conflicts_with":[1],"errno":"x"})", R"({"errors":[1,{"pointer":2}]})"}) {
    const auto error = read_problem(Json::parse(text));
    EXPECT_EQ(error.code(), Code::internal) << text;
    EXPECT_FALSE(error.detail().empty()) << text;
  }
}

}  // namespace
}  // namespace sovirt
