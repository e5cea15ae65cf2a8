#include "daemon/async/worker_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace sovirt {
namespace {
using namespace std::chrono_literals;

template <class Condition>
bool comes_true(Condition condition, std::chrono::milliseconds within = 3s) {
  const auto end = std::chrono::steady_clock::now() + within;
  while (!condition())
    if (std::chrono::steady_clock::now() > end) return false;
    else std::this_thread::sleep_for(1ms);
  return true;
}

TEST(WorkerPool, HasNoThreadBeforeThereIsWork) {
  WorkerPool pool;
  EXPECT_EQ(pool.threads(), 0u);
}

TEST(WorkerPool, RunsEveryJobOnce) {
  std::atomic<int> sum = 0;
  std::latch done{2000};
  WorkerPool pool{8};
  std::vector<std::thread> posters;
  for (int t = 0; t < 4; ++t)
    posters.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        EXPECT_TRUE(pool.post([&] { ++sum; done.count_down(); }));
    });
  for (auto& thread : posters) thread.join();
  done.wait();
  EXPECT_EQ(sum, 2000);
  EXPECT_LE(pool.threads(), 8u);
}

TEST(WorkerPool, ReusesAThreadThatIsFree) {
  WorkerPool pool;
  std::set<std::thread::id> ids;
  for (int i = 0; i < 20; ++i) {
    std::promise<std::thread::id> id;
    ASSERT_TRUE(pool.post([&] { id.set_value(std::this_thread::get_id()); }));
    ids.insert(id.get_future().get());
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_LE(ids.size(), 2u);
}

TEST(WorkerPool, GrowsWhileJobsBlockUpToItsLimit) {
  std::latch release{1}, started{4};
  std::atomic<int> ran = 0;
  WorkerPool pool{4};
  for (int i = 0; i < 10; ++i)
    pool.post([&] {
      if (ran.fetch_add(1) < 4) started.count_down();
      release.wait();
    });
  started.wait();  // all four at once, though none has ended
  EXPECT_EQ(pool.threads(), 4u);
  release.count_down();
  EXPECT_TRUE(comes_true([&] { return ran == 10; }));
}

TEST(WorkerPool, IdleThreadsEnd) {
  WorkerPool pool{4, 20ms};
  std::promise<void> ran;
  pool.post([&] { ran.set_value(); });
  ran.get_future().wait();
  EXPECT_TRUE(comes_true([&] { return pool.threads() == 0; }));
  std::promise<void> again;
  EXPECT_TRUE(pool.post([&] { again.set_value(); }));
  EXPECT_EQ(again.get_future().wait_for(3s), std::future_status::ready);
}

TEST(WorkerPool, StopDropsWhatWaitsAndTellsWhatRuns) {
  std::latch release{1}, started{1};
  const auto held = std::make_shared<int>(0);
  WorkerPool pool{1};
  pool.post([&] { started.count_down(); release.wait(); });
  started.wait();
  pool.post([held] { ++*held; });
  EXPECT_EQ(pool.stop(10ms), 1u);
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(pool.post([held] { ++*held; }));
  release.count_down();
  EXPECT_TRUE(comes_true([&] { return pool.threads() == 0; }));
  EXPECT_EQ(*held, 0);
}

TEST(WorkerPool, DestructorWaitsForWhatRuns) {
  std::atomic<bool> ended = false;
  std::latch started{1};
  {
    WorkerPool pool;
    pool.post([&] {
      started.count_down();
      std::this_thread::sleep_for(30ms);
      ended = true;
    });
    started.wait();
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace sovirt
