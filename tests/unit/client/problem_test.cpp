#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/ctl/command.hpp"
#include "client/ctl/problem_text.hpp"
#include "client/lib/api_client.hpp"

namespace sovirt::ctl {
namespace {

TEST(ExitStatus, ByKindOfProblem) {
  EXPECT_EQ(exit_of(Code::not_found), Exit::not_found);
  for (const Code code : {Code::conflict, Code::exists, Code::duplicate, Code::in_use, Code::busy, Code::precondition_failed}) EXPECT_EQ(exit_of(code), Exit::conflict);
  for (const Code code : {Code::malformed, Code::bad_name, Code::bad_query, Code::invalid, Code::too_large}) EXPECT_EQ(exit_of(code), Exit::invalid);
  EXPECT_EQ(exit_of(Code::forbidden), Exit::forbidden);
  EXPECT_EQ(exit_of(Code::unsupported), Exit::unsupported);
  EXPECT_EQ(exit_of(Code::unavailable), Exit::unavailable);
  EXPECT_EQ(exit_of(Code::timed_out), Exit::ended_early);
  EXPECT_EQ(exit_of(Code::cancelled), Exit::ended_early);
  EXPECT_EQ(exit_of(Code::internal), Exit::failed);
  EXPECT_EQ(static_cast<int>(Exit::unavailable), 8);
}

TEST(Describe, AllThatAProblemSays) {
  const Json problem{{"code", "duplicate"}, {"detail", "the address is taken"}, {"hint", "choose another"}, {"request_id", "r1"},
                     {"conflicts_with", {"container/web"}},
                     {"errors", {{{"pointer", "/nics/0/addresses/0"}, {"detail", "taken"}, {"code", "duplicate"}}, {{"pointer", ""}, {"detail", "second"}, {"code", "x"}}}}};
  const Failure failure = describe(client::ApiError(409, problem), false);
  EXPECT_EQ(failure.text,
            "error: the address is taken\n  /nics/0/addresses/0: taken\n  the request: second\n  held by: container/web\n  hint: choose another\n  request id: r1\n");
  EXPECT_EQ(failure.status, Exit::conflict);
}

TEST(Describe, OneFieldIsNotSaidTwice) {
  const Json problem{{"code", "invalid"}, {"detail", "must be 68 to 65535"}, {"errors", {{{"pointer", "/mtu"}, {"detail", "must be 68 to 65535"}, {"code", "range"}}}}};
  EXPECT_EQ(describe(client::ApiError(422, problem), false).text, "error: must be 68 to 65535\n  field: /mtu\n");
}

TEST(Describe, SeveralFieldsOfWhichTheDetailNamesOne) {
  const Json problem{{"code", "invalid"}, {"detail", "/a: wrong (and 1 more)"},
                     {"errors", {{{"pointer", "/a"}, {"detail", "wrong"}, {"code", "x"}}, {{"pointer", "/b"}, {"detail", "bad"}, {"code", "x"}}}}};
  EXPECT_EQ(describe(client::ApiError(422, problem), false).text, "error: 2 values are wrong\n  /a: wrong\n  /b: bad\n");
  const Json one{{"code", "invalid"}, {"detail", "/a: wrong"}, {"errors", {{{"pointer", "/a"}, {"detail", "wrong"}, {"code", "x"}}}}};
  EXPECT_EQ(describe(client::ApiError(422, one), false).text, "error: /a: wrong\n");
}

TEST(Describe, NoDaemon) {
  const Failure failure = describe(client::ConnectError("/run/x.sock", ENOENT), false);
  EXPECT_EQ(failure.status, Exit::unavailable);
  EXPECT_NE(failure.text.find("systemctl start sovirtd"), std::string::npos);
  EXPECT_EQ(describe(client::ConnectError("/run/x.sock", EACCES), false).status, Exit::forbidden);
}

TEST(Describe, TheRest) {
  EXPECT_EQ(describe(UsageError("wrong", "do this"), false).text, "error: wrong\n  hint: do this\n");
  EXPECT_EQ(describe(UsageError("wrong"), false).status, Exit::usage);
  EXPECT_EQ(describe(client::Interrupted(), false).status, Exit::interrupted);
  EXPECT_EQ(describe(client::WaitedTooLong("slow"), false).status, Exit::ended_early);
  EXPECT_EQ(describe(std::runtime_error("x"), false).status, Exit::failed);
  EXPECT_EQ(describe(std::runtime_error("x"), true).text, "\x1b[31merror:\x1b[0m x\n");
}

}  // namespace
}  // namespace sovirt::ctl
