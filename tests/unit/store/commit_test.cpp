#include "tests/unit/store/fixture.hpp"

namespace sovirt {
namespace {

class CommitTest : public StoreTest {};

TEST_F(CommitTest, a_resource_is_there_after_a_restart) {
  auto wanted = put_named(Kind::container, "web");
  wanted.runtime = RuntimeRow{wanted.put->uid, "running", "failed", "boot", {7, 1ull << 63}, {8, 9}, Time{std::chrono::seconds{3}},
                              ExitStatus{std::nullopt, 9, Time{std::chrono::seconds{4}}}, "no", true};
  open()->commit({}, wanted);
  const auto state = open()->load();
  ASSERT_EQ(state.resources.size(), 1u);
  const auto& web = state.resources[0];
  EXPECT_EQ(web.uid, wanted.put->uid);
  EXPECT_EQ(web.name, "web");
  EXPECT_EQ(web.kind, Kind::container);
  EXPECT_EQ(web.revision, 1);
  EXPECT_EQ(web.labels, wanted.put->labels);
  EXPECT_EQ(web.spec, wanted.put->spec);
  EXPECT_EQ(web.facts, wanted.put->facts);
  EXPECT_EQ(web.created_at, wanted.put->created_at);
  ASSERT_EQ(state.runtimes.size(), 1u);
  const auto& runtime = state.runtimes[0];
  EXPECT_EQ(runtime.init, (ProcessId{7, 1ull << 63}));
  EXPECT_EQ(runtime.monitor, (ProcessId{8, 9}));
  EXPECT_EQ(runtime.started_at, Time{std::chrono::seconds{3}});
  ASSERT_TRUE(runtime.exit);
  EXPECT_FALSE(runtime.exit->code);
  EXPECT_EQ(runtime.exit->signal, 9);
  EXPECT_EQ(runtime.exit->at, Time{std::chrono::seconds{4}});
  EXPECT_TRUE(runtime.ran_at_shutdown);
}

TEST_F(CommitTest, names_are_unique_within_a_kind) {
  auto store = open();
  store->commit({}, put_named(Kind::container, "web"));
  store->commit({}, put_named(Kind::bridge, "web"));
  auto other = put(resource(Kind::container, "web"));
  other.put->uid = "aaaaaaaa-other";
  EXPECT_EQ(error_of([&] { store->commit({}, other); }), "exists: container/web exists already [container/web,]");
  EXPECT_EQ(store->load().resources.size(), 2u);
}

TEST_F(CommitTest, expected_revisions) {
  auto store = open();
  EXPECT_EQ(error_of([&] { store->commit({}, put(resource(Kind::bridge, "b", 2), 1)); }), "precondition-failed: bridge/b is gone, revision 1 was expected []");
  store->commit({}, put(resource(Kind::bridge, "b", 1), 0));
  EXPECT_EQ(error_of([&] { store->commit({}, put(resource(Kind::bridge, "b", 1), 0)); }), "exists: bridge/b exists already [bridge/b,]");
  store->commit({}, put(resource(Kind::bridge, "b", 2), 1));
  EXPECT_EQ(error_of([&] { store->commit({}, put(resource(Kind::bridge, "b", 2), 1)); }), "precondition-failed: bridge/b is at revision 2, not 1 []");
  Commit removal;
  removal.remove_uid = resource(Kind::bridge, "b").uid;
  removal.expected_revision = 1;
  EXPECT_EQ(error_of([&] { store->commit({}, removal); }).substr(0, 20), "precondition-failed:");
  removal.expected_revision = 2;
  store->commit({}, removal);
  EXPECT_TRUE(store->load().resources.empty());
}

TEST_F(CommitTest, a_claim_has_one_holder) {
  auto store = open();
  auto web = put_named(Kind::container, "web");
  web.claims = {{"mac", "4a:49:43:49:79:bf"}, {"address", "172.16.2.10"}, {"address", "172.16.2.10"}};
  store->commit({}, web);
  auto so1 = put_named(Kind::container, "so1");
  so1.claims = {{"mac", "4a:49:43:49:79:bf"}, {"address", "172.16.2.11"}, {"address", "172.16.2.10"}};
  EXPECT_EQ(error_of([&] { store->commit({}, so1); }),
            "duplicate: the mac 4a:49:43:49:79:bf is held by container/web; the address 172.16.2.10 is held by container/web [container/web,]");
  so1.claims = {{"ifname", "172.16.2.10"}, {"address", "172.16.2.11"}};  // the same text as another type is another claim
  store->commit({}, so1);

  web.put->revision = 2;  // gives up its address: somebody else may have it
  web.expected_revision = 1;
  web.claims = {{"mac", "4a:49:43:49:79:bf"}};
  store->commit({}, web);
  so1.put->revision = 2;
  so1.expected_revision = 1;
  so1.claims = {{"address", "172.16.2.10"}};
  EXPECT_EQ(error_of([&] { store->commit({}, so1); }), "");
}

TEST_F(CommitTest, claims_end_with_their_holder) {
  auto store = open();
  auto web = put_named(Kind::container, "web");
  web.claims = {{"address", "172.16.2.10"}};
  store->commit({}, web);
  Commit swap = put_named(Kind::container, "so1");  // removal and successor in one
  swap.remove_uid = web.put->uid;
  swap.claims = web.claims;
  EXPECT_EQ(error_of([&] { store->commit({}, swap); }), "");
  EXPECT_EQ(store->load().resources.size(), 1u);
}

TEST_F(CommitTest, what_is_referred_to_cannot_go) {
  auto store = open();
  const auto image = put_named(Kind::image, "debian"), bridge = put_named(Kind::bridge, "brso1");
  store->commit({}, image);
  store->commit({}, bridge);
  for (const char* name : {"web", "so1"}) {
    auto container = put_named(Kind::container, name);
    container.references = {image.put->uid, bridge.put->uid, image.put->uid};
    store->commit({}, container);
  }
  Commit removal;
  removal.remove_uid = image.put->uid;
  EXPECT_EQ(error_of([&] { store->commit({}, removal); }), "in-use: image/debian is used by container/so1, container/web [container/so1,container/web,]");
  const auto state = store->load();
  ASSERT_EQ(state.references.size(), 2u);
  EXPECT_EQ(state.references[0].second.size(), 2u);

  for (const char* name : {"web", "so1"}) {
    Commit gone;
    gone.remove_uid = resource(Kind::container, name).uid;
    store->commit({}, gone);
  }
  EXPECT_EQ(error_of([&] { store->commit({}, removal); }), "");
  EXPECT_TRUE(store->load().references.empty());
}

TEST_F(CommitTest, a_reference_to_nothing_is_refused) {
  auto store = open();
  auto container = put_named(Kind::container, "web");
  container.references = {"aaaaaaaa-gone"};
  EXPECT_EQ(error_of([&] { store->commit({}, container); }).substr(0, 9), "conflict:");
  EXPECT_TRUE(store->load().resources.empty());
}

TEST_F(CommitTest, all_or_nothing) {
  auto store = open();
  store->commit({}, put_named(Kind::container, "web"));
  JournalRow row;
  row.object = "container/so1";
  const auto journal = store->begin(row);
  auto commit = put_named(Kind::container, "so1");
  commit.events = {event("created")};
  commit.references = {"aaaaaaaa-gone"};
  EXPECT_NE(error_of([&] { store->commit(journal, commit); }), "");
  const auto state = store->load();
  EXPECT_EQ(state.resources.size(), 1u);
  EXPECT_EQ(state.journal.size(), 1u);
  EXPECT_EQ(state.last_event, 0);
  EXPECT_TRUE(store->history(commit.put->uid).empty());
}

TEST_F(CommitTest, the_journal_is_closed_by_commit_or_abandon) {
  auto store = open();
  const JournalRow row{0, "container/web", "u", {{"step", 1}}, {{"put", nullptr}}, true};
  const auto first = store->begin(row), second = store->begin(row), third = store->begin({});
  EXPECT_LT(first, second);
  const auto open_entries = store->load().journal;
  ASSERT_EQ(open_entries.size(), 3u);
  EXPECT_EQ(open_entries[0].id, first);
  EXPECT_EQ(open_entries[0].object, "container/web");
  EXPECT_EQ(open_entries[0].steps, row.steps);
  EXPECT_EQ(open_entries[0].commit, row.commit);
  EXPECT_TRUE(open_entries[0].forward);
  EXPECT_FALSE(open_entries[2].forward);
  store->commit(first, put_named(Kind::container, "web"));
  store->abandon(third);
  ASSERT_EQ(store->load().journal.size(), 1u);
  EXPECT_EQ(store->load().journal[0].id, second);
  EXPECT_EQ(error_of([&] { store->commit(first, put_named(Kind::container, "so1")); }).substr(0, 9), "internal:");
  store->abandon(second);
  EXPECT_GT(store->begin(row), third);  // never an id again
}

TEST_F(CommitTest, each_revision_is_in_the_history) {
  auto store = open();
  for (std::int64_t revision = 1; revision <= 3; ++revision) {
    auto commit = put(resource(Kind::bridge, "b", revision), revision - 1);
    commit.put->spec = {{"mtu", 1500 + revision}};
    commit.actor = {static_cast<std::uint32_t>(revision), 7, "r" + std::to_string(revision)};
    store->commit({}, commit);
  }
  auto facts_only = put(resource(Kind::bridge, "b", 3));
  facts_only.put->spec = {{"mtu", 1503}};
  facts_only.actor = {0, 1, "self"};
  store->commit({}, facts_only);
  const auto rows = store->history(facts_only.put->uid);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2].revision, 3);
  EXPECT_EQ(rows[2].actor.uid, 3u);
  EXPECT_EQ(rows[2].actor.request_id, "r3");
  EXPECT_EQ(rows[0].spec, (Json{{"mtu", 1501}}));
  EXPECT_EQ(rows[0].labels, (Labels{{"tier", "front"}}));
  EXPECT_TRUE(store->history("nobody").empty());
}

}  // namespace
}  // namespace sovirt
