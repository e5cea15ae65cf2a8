#include <thread>

#include "tests/unit/store/fixture.hpp"

namespace sovirt {
namespace {

class RowsTest : public StoreTest {};

Commit with_events(std::vector<Event> events) {
  Commit commit;
  commit.events = std::move(events);
  return commit;
}

TEST_F(RowsTest, events_have_increasing_ids_that_outlive_their_rows) {
  auto store = open();
  EXPECT_EQ(store->oldest_event(), 0);
  const auto ids = store->commit({}, with_events({event("created"), event("started")}));
  EXPECT_EQ(ids, (std::vector<std::int64_t>{1, 2}));
  auto late = event("stopped");
  late.at = Time{std::chrono::seconds{100}};
  EXPECT_EQ(store->commit({}, with_events({late})), (std::vector<std::int64_t>{3}));
  const auto after = store->events(1, 10);
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0].id, 2);
  EXPECT_EQ(after[0].type, "started");
  EXPECT_EQ(after[0].data, (Json{{"k", 1}}));
  EXPECT_EQ(after[0].request_id, "req");
  EXPECT_EQ(after[1].at, late.at);
  EXPECT_EQ(store->events(0, 2).size(), 2u);
  store->expire(Time{std::chrono::seconds{50}});
  EXPECT_EQ(store->oldest_event(), 3);
  store->expire(Time{std::chrono::seconds{500}});
  EXPECT_EQ(store->oldest_event(), 0);
  EXPECT_EQ(store->load().last_event, 3);
  store.reset();
  store = open();
  EXPECT_EQ(store->load().last_event, 3);
  EXPECT_EQ(store->commit({}, with_events({event("x")})), (std::vector<std::int64_t>{4}));
}

TEST_F(RowsTest, data_that_is_not_utf8_is_kept_as_far_as_it_can_be) {
  auto store = open();
  auto odd = event("exited");
  odd.data = {{"message", "a\xff" "b"}};
  store->commit({}, with_events({odd}));
  EXPECT_EQ(store->events(0, 1)[0].data["message"], "a\xef\xbf\xbd" "b");
}

TEST_F(RowsTest, operations_are_replaced_and_expire_when_they_are_over) {
  auto store = open();
  OperationRow row{"op1", "image.build", "image/debian", "running", 40, "unpacking", {1, 2, "r"}, nullptr, nullptr, Time{std::chrono::seconds{1}}, Time{std::chrono::seconds{2}}};
  store->put_operation(row);
  store->expire(Time{std::chrono::seconds{50}});
  ASSERT_EQ(store->load().operations.size(), 1u);
  row.state = "failed";
  row.error = {{"code", "disk-full"}};
  store->put_operation(row);
  const auto stored = open()->load().operations.at(0);
  EXPECT_EQ(stored.state, "failed");
  EXPECT_EQ(stored.error, row.error);
  EXPECT_TRUE(stored.result.is_null());
  EXPECT_EQ(stored.percent, 40);
  EXPECT_EQ(stored.message, "unpacking");
  EXPECT_EQ(stored.actor.request_id, "r");
  EXPECT_EQ(stored.updated_at, row.updated_at);
  store->expire(Time{std::chrono::seconds{2}});  // older than, not as old as
  EXPECT_EQ(store->load().operations.size(), 1u);
  store->expire(Time{std::chrono::seconds{3}});
  EXPECT_TRUE(store->load().operations.empty());
}

TEST_F(RowsTest, audit_rows_newest_first) {
  auto store = open();
  for (int i = 1; i <= 3; ++i)
    store->audit({Time{std::chrono::seconds{i}}, {1000, 7, "r" + std::to_string(i), "PUT /v1/bridges/b"}, "bridge/b", 200 + i, "code"});
  const auto rows = store->audit_rows(2);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].actor.request_id, "r3");
  EXPECT_EQ(rows[0].status, 203);
  EXPECT_EQ(rows[0].actor.action, "PUT /v1/bridges/b");
  EXPECT_EQ(rows[1].actor.request_id, "r2");
  store->expire(Time{std::chrono::seconds{3}});
  EXPECT_EQ(store->audit_rows(10).size(), 1u);
}

TEST_F(RowsTest, a_commit_leaves_its_audit_row_and_the_answer_completes_it) {
  auto store = open();
  const Actor actor{1000, 7, "r1", "PUT /v1/bridges/b"};
  Commit commit;
  commit.actor = actor;
  Event event;
  event.kind = "bridge";
  event.name = "b";
  commit.events.push_back(event);
  store->commit(std::nullopt, commit);
  ASSERT_EQ(store->audit_rows(10).size(), 1u);
  EXPECT_EQ(store->audit_rows(10)[0].status, 0);
  EXPECT_EQ(store->audit_rows(10)[0].object, "bridge/b");
  store->audit({Time{}, actor, "bridge/b", 201, ""});
  ASSERT_EQ(store->audit_rows(10).size(), 1u);
  EXPECT_EQ(store->audit_rows(10)[0].status, 201);
  commit.actor.action.clear();  // the daemon's own doing
  store->commit(std::nullopt, commit);
  EXPECT_EQ(store->audit_rows(10).size(), 1u);
}

TEST_F(RowsTest, meta) {
  EXPECT_FALSE(open()->meta("instance"));
  open()->set_meta("instance", "abcdefgh");
  open()->set_meta("other", "");
  auto store = open();
  EXPECT_EQ(store->meta("instance"), "abcdefgh");
  EXPECT_EQ(store->meta("other"), "");
  store->set_meta("instance", "x");
  EXPECT_EQ(store->meta("instance"), "x");
}

TEST_F(RowsTest, in_memory_too) {
  auto store = open_store({":memory:", 0});
  store->commit(store->begin({}), put_named(Kind::bridge, "b"));
  EXPECT_EQ(store->load().resources.size(), 1u);
  EXPECT_TRUE(store->load().journal.empty());
  EXPECT_FALSE(std::filesystem::exists(":memory:"));
}

TEST_F(RowsTest, several_threads) {
  auto store = open();
  constexpr int each = 50;
  const auto work = [&](const std::string& prefix) {
    for (int i = 0; i < each; ++i) {
      auto commit = put_named(Kind::container, prefix + std::to_string(i));
      commit.events = {event("created")};
      store->commit(store->begin({}), commit);
      store->audit({});
      store->events(0, 5);
    }
  };
  std::thread one{work, "a"}, two{work, "b"};
  one.join();
  two.join();
  const auto state = store->load();
  EXPECT_EQ(state.resources.size(), 2u * each);
  EXPECT_TRUE(state.journal.empty());
  EXPECT_EQ(state.last_event, 2 * each);
  EXPECT_EQ(store->audit_rows(1000).size(), 2u * each);
}

}  // namespace
}  // namespace sovirt
