#include "tests/unit/store/fixture.hpp"

namespace sovirt {
namespace {

class CommitJsonTest : public StoreTest {};

TEST_F(CommitJsonTest, every_member_comes_back) {
  auto commit = put_named(Kind::container, "web");
  commit.claims = {{"mac", "4a:49:43:49:79:bf"}};
  commit.references = {"aaaaaaaa-image"};
  commit.remove_uid = "aaaaaaaa-old";
  commit.runtime = RuntimeRow{"u", "running", "running", "boot", {1, 2}, {3, UINT64_MAX}, Time{std::chrono::microseconds{5}}, ExitStatus{3, std::nullopt, Time{std::chrono::microseconds{-7}}}, "why", true};
  commit.events = {event("created"), event("started")};
  const auto json = write_commit(commit);
  const auto again = read_commit(Json::parse(json.dump()));
  EXPECT_EQ(write_commit(again), json);
  EXPECT_EQ(again.put->name, "web");
  EXPECT_EQ(again.put->created_at, commit.put->created_at);
  EXPECT_EQ(again.put->facts, commit.put->facts);
  EXPECT_EQ(again.expected_revision, 0);
  EXPECT_EQ(again.claims[0].value, "4a:49:43:49:79:bf");
  EXPECT_EQ(again.references, commit.references);
  EXPECT_EQ(again.remove_uid, "aaaaaaaa-old");
  EXPECT_EQ(again.runtime->monitor, (ProcessId{3, UINT64_MAX}));
  EXPECT_EQ(again.runtime->exit->code, 3);
  EXPECT_FALSE(again.runtime->exit->signal);
  EXPECT_EQ(again.runtime->exit->at, commit.runtime->exit->at);
  EXPECT_EQ(again.events[1].type, "started");
  EXPECT_EQ(again.actor.uid, 1000u);
}

TEST_F(CommitJsonTest, an_empty_commit) {
  const auto again = read_commit(write_commit({}));
  EXPECT_FALSE(again.put);
  EXPECT_FALSE(again.expected_revision);
  EXPECT_FALSE(again.remove_uid);
  EXPECT_FALSE(again.runtime);
  EXPECT_TRUE(again.events.empty());
}

TEST_F(CommitJsonTest, anything_else_is_an_error_of_ours) {
  for (const char* text : {"null", "{}", "[]", R"({"put":7})"}) EXPECT_EQ(error_of([&] { read_commit(Json::parse(text)); }).substr(0, 9), "internal:") << text;
  auto json = write_commit(put_named(Kind::bridge, "b"));
  json["put"]["kind"] = "spaceship";
  EXPECT_EQ(error_of([&] { read_commit(json); }).substr(0, 9), "internal:");
}

}  // namespace
}  // namespace sovirt
