#include "daemon/kernel/cgroup/limits.hpp"

#include <gtest/gtest.h>

namespace sovirt {
namespace {

std::string shares_of(std::uint64_t weight) {
  LimitsSpec limits;
  limits.cpu_weight = weight;
  for (const LimitWrite& write : limit_writes(limits, {1, 1, 1}))
    if (write.file == "cpu.shares") return write.value;
  return "";
}

TEST(Limits, SharesKeepTheProportionOfWeights) {
  EXPECT_EQ(shares_of(100), "1024");
  EXPECT_EQ(shares_of(70), "717");  // 716.8
  EXPECT_EQ(shares_of(30), "307");  // 307.2
  EXPECT_EQ(shares_of(1), "10");
  EXPECT_EQ(shares_of(10000), "102400");
}

TEST(Limits, NothingAskedLiftsEverything) {
  const std::vector<LimitWrite> v2{{"memory", "memory.max", "max", false},
                                   {"pids", "pids.max", "max", false},
                                   {"cpu", "cpu.weight", "100", false},
                                   {"cpu", "cpu.max", "max 100000", false}};
  EXPECT_EQ(limit_writes({}, {2, 2, 2}), v2);
  const std::vector<LimitWrite> v1{{"memory", "memory.limit_in_bytes", "-1", false},
                                   {"pids", "pids.max", "max", false},
                                   {"cpu", "cpu.shares", "1024", false},
                                   {"cpu", "cpu.cfs_quota_us", "-1", false},
                                   {"cpu", "cpu.cfs_period_us", "100000", false}};
  EXPECT_EQ(limit_writes({}, {1, 1, 1}), v1);
}

TEST(Limits, QuotaIsWrittenAfterItsPeriodOnV1) {
  LimitsSpec limits;
  limits.cpu_quota_us = 5000;
  limits.cpu_period_us = 20000;
  std::vector<std::string> values;
  for (const LimitWrite& write : limit_writes(limits, {1, 2, 2}))
    if (write.file.starts_with("cpu.cfs")) values.push_back(write.value);
  EXPECT_EQ(values, (std::vector<std::string>{"-1", "20000", "5000"}));
  EXPECT_EQ(limit_writes(limits, {2, 2, 2}).back(), (LimitWrite{"cpu", "cpu.max", "5000 20000", true}));
}

TEST(Limits, EachControllerOnItsOwnVersion) {
  LimitsSpec limits;
  limits.memory_max = 4096;
  EXPECT_EQ(limit_writes(limits, {2, 1, 2}).front(), (LimitWrite{"memory", "memory.limit_in_bytes", "4096", true}));
  EXPECT_EQ(limit_writes(limits, {1, 2, 1}).front(), (LimitWrite{"memory", "memory.max", "4096", true}));
}

}  // namespace
}  // namespace sovirt
