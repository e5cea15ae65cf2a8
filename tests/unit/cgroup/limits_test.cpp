#include "daemon/kernel/cgroup/limits.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

using std::chrono_literals::operator""ms;
using Part = LimitWrite::Part;
constexpr LimitVersions v1{1, 1, 1, 1, 1}, v2{2, 2, 2, 2, 2};

// The values written to a file, in their order.
std::vector<std::string> values_of(const std::vector<LimitWrite>& writes, const std::string& file) {
  std::vector<std::string> values;
  for (const LimitWrite& write : writes)
    if (write.file == file) values.push_back(write.value);
  return values;
}
using Values = std::vector<std::string>;

LimitsSpec weight(std::uint64_t value) {
  LimitsSpec limits;
  limits.cpu_weight = value;
  return limits;
}
LimitsSpec shares(std::uint64_t value) {
  LimitsSpec limits;
  limits.cpu_shares = value;
  return limits;
}

TEST(Limits, SharesKeepTheProportionOfWeights) {
  const auto on_v1 = [](std::uint64_t value) { return values_of(limit_writes(weight(value), v1), "cpu.shares"); };
  EXPECT_EQ(on_v1(100), Values{"1024"});
  EXPECT_EQ(on_v1(70), Values{"717"});  // 716.8
  EXPECT_EQ(on_v1(30), Values{"307"});  // 307.2
  EXPECT_EQ(on_v1(1), Values{"10"});
  EXPECT_EQ(on_v1(10000), Values{"102400"});
}

TEST(Limits, SharesAreExactOnV1AndKeepTheRatioOnV2) {
  EXPECT_EQ(values_of(limit_writes(shares(717), v1), "cpu.shares"), Values{"717"});
  EXPECT_EQ(values_of(limit_writes(shares(2), v1), "cpu.shares"), Values{"2"});
  EXPECT_EQ(values_of(limit_writes(shares(717), v2), "cpu.weight"), Values{"70"});
  EXPECT_EQ(values_of(limit_writes(shares(307), v2), "cpu.weight"), Values{"30"});
  EXPECT_EQ(values_of(limit_writes(shares(2), v2), "cpu.weight"), Values{"1"});
}

TEST(Limits, NothingAskedLiftsEverything) {
  for (const LimitVersions& versions : {v1, v2})
    for (const LimitWrite& write : limit_writes({}, versions)) EXPECT_EQ(write.part, Part::unasked) << write.file;
  const auto one = limit_writes({}, v1), two = limit_writes({}, v2);
  EXPECT_EQ(values_of(one, "memory.limit_in_bytes"), Values{"-1"});
  EXPECT_EQ(values_of(one, "memory.memsw.limit_in_bytes"), Values{"-1"});
  EXPECT_EQ(values_of(one, "cpu.cfs_quota_us"), Values{"-1"});
  EXPECT_EQ(values_of(one, "cpuset.cpus"), Values{""});
  EXPECT_EQ(values_of(two, "memory.max"), Values{"max"});
  EXPECT_EQ(values_of(two, "memory.high"), Values{"max"});
  EXPECT_EQ(values_of(two, "cpu.max"), Values{"max 100000"});
  EXPECT_EQ(values_of(two, "pids.max"), Values{"max"});
}

TEST(Limits, QuotaIsWrittenAfterItsPeriodOnV1) {
  LimitsSpec limits;
  limits.cpu_max = CpuQuota{5ms, 20ms};
  Values values;
  for (const LimitWrite& write : limit_writes(limits, v1))
    if (write.file.starts_with("cpu.cfs")) values.push_back(write.value);
  EXPECT_EQ(values, (Values{"-1", "20000", "5000"}));
  EXPECT_EQ(values_of(limit_writes(limits, v2), "cpu.max"), Values{"5000 20000"});
}

TEST(Limits, EachControllerOnItsOwnVersion) {
  LimitsSpec limits;
  limits.memory_max = 65536;
  EXPECT_EQ(values_of(limit_writes(limits, {2, 1, 2, 2, 2}), "memory.limit_in_bytes"), Values{"65536"});
  EXPECT_EQ(values_of(limit_writes(limits, {1, 2, 1, 1, 1}), "memory.max"), Values{"65536"});
}

TEST(Limits, SwapOnV1IsCountedWithMemory) {
  LimitsSpec limits;
  limits.memory_max = 100000;
  limits.swap_max = 50000;
  EXPECT_EQ(values_of(limit_writes(limits, v1), "memory.memsw.limit_in_bytes"), (Values{"-1", "150000"}));
  EXPECT_EQ(values_of(limit_writes(limits, v2), "memory.swap.max"), Values{"50000"});
  limits.swap_max = ~std::uint64_t{0};
  EXPECT_EQ(values_of(limit_writes(limits, v1), "memory.memsw.limit_in_bytes").back(), std::to_string(~std::uint64_t{0}));
}

TEST(Limits, WhatV1CannotSayIsUnsupported) {
  LimitsSpec high;
  high.memory_high = 1 << 20;
  LimitsSpec swap;
  swap.swap_max = 0;
  for (const LimitsSpec& limits : {high, swap}) {
    try {
      limit_writes(limits, v1);
      ADD_FAILURE() << "taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::unsupported);
      EXPECT_NE(error.detail().find("memory"), std::string::npos);
      EXPECT_EQ(error.fields().size(), 1u);
    }
    EXPECT_NO_THROW(limit_writes(limits, v2));
  }
}

TEST(Limits, DisksThatAreNotAskedAnyMoreAreLifted) {
  const auto disk_of = [](const std::string& device) { return device == "/dev/vda" ? std::string{"254:0"} : device; };
  const auto text_of = [](const std::string& file) {
    return file == "io.max" ? std::string{"8:0 rbps=1 wbps=max riops=max wiops=max\n"} : file.ends_with("read_bps_device") ? std::string{"8:0 1\n254:0 7\n"} : "";
  };
  IoLimit limit;
  limit.device = "/dev/vda";
  limit.read_bytes = 1048576;
  const auto two = io_writes({limit}, 2, disk_of, text_of);
  EXPECT_EQ(values_of(two, "io.max"), (Values{"254:0 rbps=1048576 wbps=max riops=max wiops=max", "8:0 rbps=max wbps=max riops=max wiops=max"}));
  const auto one = io_writes({limit}, 1, disk_of, text_of);
  EXPECT_EQ(values_of(one, "blkio.throttle.read_bps_device"), (Values{"254:0 1048576", "8:0 0"}));
  EXPECT_TRUE(values_of(one, "blkio.throttle.write_bps_device").empty());
}

}  // namespace
}  // namespace sovirt
