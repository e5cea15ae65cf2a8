#include "tests/unit/store/fixture.hpp"
#include "tests/unit/store/io_faults.hpp"

namespace sovirt {
namespace {

class CrashTest : public StoreTest {};

TEST_F(CrashTest, the_journal_survives_the_death_of_its_writer) {
  run_and_die([&] {
    auto store = open();
    store->commit({}, put_named(Kind::bridge, "b"));
    store->begin({0, "container/web", "u", {{"steps", 2}}, nullptr, true});
    ::kill(::getpid(), SIGKILL);  // with the store open, nothing is flushed by a destructor
  });
  auto store = open();
  const auto state = store->load();
  EXPECT_EQ(state.resources.size(), 1u);
  ASSERT_EQ(state.journal.size(), 1u);
  EXPECT_EQ(state.journal[0].object, "container/web");
  EXPECT_EQ(state.journal[0].steps, (Json{{"steps", 2}}));
}

// One commit after the other, killed at its first write into the file, its second, and so on until it gets through.
TEST_F(CrashTest, a_death_at_any_write_of_a_commit_leaves_all_or_nothing) {
  auto wanted = put_named(Kind::container, "web");
  wanted.claims = {{"address", "172.16.2.10"}};
  wanted.remove_uid = resource(Kind::bridge, "b").uid;
  wanted.events = {event("created")};
  int deaths = 0;
  for (bool done = false; !done; ++deaths) {
    ASSERT_LT(deaths, 100);
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    open()->commit({}, put_named(Kind::bridge, "b"));
    const pid_t child = ::fork();
    if (child == 0) {
      auto store = open();
      const auto journal = store->begin({0, "container/web", "u", nullptr, nullptr, true});
      io_faults::kill_at_write(deaths + 1);
      store->commit(journal, wanted);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    done = WIFEXITED(status);
    const auto state = open()->load();
    ASSERT_EQ(state.resources.size(), 1u);
    const bool committed = state.resources[0].name == "web";
    EXPECT_EQ(state.journal.size(), committed ? 0u : 1u) << "write " << deaths + 1;
    EXPECT_EQ(state.last_event, committed ? 1 : 0);
    EXPECT_TRUE(committed || !done);
    EXPECT_TRUE(!committed || deaths > 0);
  }
  EXPECT_GT(deaths, 3);
}

// Killed at a random moment again and again: each object is whole (row, claim, history, event), or not there and in the journal.
TEST_F(CrashTest, killed_at_any_moment) {
  open();
  for (int round = 0; round < 12; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto store = open();
      for (int i = 0; i < 100'000; ++i) {
        const auto name = "r" + std::to_string(round) + "-" + std::to_string(i);
        auto commit = put_named(Kind::container, name);
        commit.claims = {{"address", name}};
        commit.events = {event("created")};
        store->commit(store->begin({0, "container/" + name, commit.put->uid, nullptr, nullptr, false}), commit);
      }
      ::_exit(5);
    }
    ::usleep(20'000 + 3'700 * static_cast<unsigned>(round));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    auto store = open();
    ASSERT_TRUE(store->healthy());
    const auto state = store->load();
    ASSERT_EQ(state.last_event, static_cast<std::int64_t>(state.resources.size()));
    ASSERT_LE(state.journal.size(), 1u);
    for (const auto& entry : state.journal) {
      for (const auto& object : state.resources) EXPECT_NE(object.uid, entry.uid);
      store->abandon(entry.id);
    }
    if (!state.resources.empty()) {
      EXPECT_EQ(store->history(state.resources.back().uid).size(), 1u);
    }
  }
  EXPECT_GT(open()->load().resources.size(), 12u);
}

TEST_F(CrashTest, begin_does_not_sync_and_commit_does_once) {
  auto store = open();
  store->commit({}, put_named(Kind::bridge, "b0"));  // the first write after a checkpoint also syncs the -wal's header
  for (int i = 1; i <= 5; ++i) {
    const int before = io_faults::syncs();
    const auto journal = store->begin({});
    const int begun = io_faults::syncs();
    store->commit(journal, put_named(Kind::bridge, "b" + std::to_string(i)));
    const int committed = io_faults::syncs();
    store->audit({});
    EXPECT_EQ(begun - before, 0);
    EXPECT_EQ(committed - begun, 1);
    EXPECT_EQ(io_faults::syncs() - committed, 0);
  }
}

}  // namespace
}  // namespace sovirt
