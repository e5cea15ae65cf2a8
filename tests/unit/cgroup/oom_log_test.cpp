#include "daemon/kernel/cgroup/oom_log.hpp"

#include <gtest/gtest.h>

namespace sovirt {
namespace {

TEST(OomLog, SummaryHasTheGroup) {
  const auto record = parse_oom_line(
      "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/small,task=python3,pid=7914,uid=0");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->victim, (KilledProcess{7914, "python3"}));
  EXPECT_EQ(record->group, "/a/small");
}

TEST(OomLog, NamesMayHoldAnything) {
  const auto summary = parse_oom_line("oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/a,task=x,pid=1,y,pid=22,uid=0");
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->victim, (KilledProcess{22, "x,pid=1,y"}));
  const auto killed = parse_oom_line("Memory cgroup out of memory: Killed process 31 (a) (b)) total-vm:26852kB, anon-rss:16128kB, UID:0");
  ASSERT_TRUE(killed);
  EXPECT_EQ(killed->victim, (KilledProcess{31, "a) (b)"}));
}

TEST(OomLog, KilledAloneHasNoGroup) {
  const auto record = parse_oom_line("Memory cgroup out of memory: Killed process 7914 (python3) total-vm:26852kB, anon-rss:16128kB, UID:0 pgtables:96kB");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->victim, (KilledProcess{7914, "python3"}));
  EXPECT_EQ(record->group, "");
}

TEST(OomLog, OtherLinesAreNone) {
  for (const char* line : {"", "oom-kill:", "oom-kill:task_memcg=/a,task=,pid=x", "Out of memory: Killed process 3 (x) total-vm:1kB",
                           "Memory cgroup out of memory: Killed process x (y) total-vm:", "oom_reaper: reaped process 7914 (python3)"})
    EXPECT_FALSE(parse_oom_line(line)) << line;
}

}  // namespace
}  // namespace sovirt
