#include <chrono>
#include <iostream>

#include "tests/unit/store/fixture.hpp"

namespace sovirt {
namespace {

using Clock = std::chrono::steady_clock;

class LoadTest : public StoreTest {};

double microseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

// The bounds are ten times and more what an unloaded machine shows: they find an accident, not a slow day.
TEST_F(LoadTest, a_thousand_objects) {
  {
    auto store = open();
    for (int i = 0; i < 1000; ++i) {
      auto commit = put_named(Kind::container, "c" + std::to_string(i));
      commit.put->spec = {{"image", "debian"}, {"command", {"/bin/sh", "-c", "true"}}, {"nics", {{{"name", "eth0"}, {"bridge", "brso1"}}}}};
      commit.runtime.emplace().uid = commit.put->uid;
      store->commit({}, commit);
    }
  }
  const auto begin = Clock::now();
  auto store = open();
  EXPECT_EQ(store->load().resources.size(), 1000u);
  const auto taken = microseconds_since(begin);
  std::cout << "open and load of 1,000 containers: " << taken / 1000 << " ms\n";
  EXPECT_LT(taken, 2'000'000);
}

TEST_F(LoadTest, begin_and_commit) {
  auto store = open();
  double begins = 0, commits = 0;
  constexpr int rounds = 200;
  const JournalRow row{0, "container/web", "u", {{"steps", std::string(500, 'x')}}, {{"put", std::string(1500, 'x')}}, false};
  for (int i = 0; i < rounds; ++i) {
    auto start = Clock::now();
    const auto journal = store->begin(row);
    begins += microseconds_since(start);
    start = Clock::now();
    store->commit(journal, put_named(Kind::container, "c" + std::to_string(i)));
    commits += microseconds_since(start);
  }
  std::cout << "begin: " << begins / rounds << " us, commit: " << commits / rounds << " us\n";
  EXPECT_LT(begins / rounds, 2'000);
}

}  // namespace
}  // namespace sovirt
