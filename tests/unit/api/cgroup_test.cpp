#include "api/cgroup.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/cpu_list.hpp"
#include "tests/unit/api/errors.hpp"

namespace sovirt {
namespace {

TEST(CpuList, IsReadAndWrittenInItsShortestForm) {
  const auto canonical = [](const char* text) { return cpu_list_text(parse_cpu_list(text).value()); };
  EXPECT_EQ(canonical("0"), "0");
  EXPECT_EQ(canonical("3,1,2,0"), "0-3");
  EXPECT_EQ(canonical("0-3,2-5,9"), "0-5,9");
  EXPECT_EQ(canonical("8191"), "8191");
  for (const char* wrong : {"", "3-1", "0,", ",0", "0 ", " 0", "0\n", "-1", "0-", "8192", "1:2", "0x1", "+1", "99999999999999999999", "0--1"})
    EXPECT_FALSE(parse_cpu_list(wrong)) << wrong;
}

TEST(CgroupSpec, RoundTrip) {
  const auto full = Json::parse(R"({"cpu":{"weight":null,"shares":717,"max":{"quota":50000000,"period":100000000}},"cpuset":{"cpus":"0-1","mems":"0"},
    "memory":{"max":536870912,"high":268435456,"swap_max":0,"on_excess":"kill"},"pids":{"max":100},
    "io":{"weight":50,"limits":[{"device":"254:0","read_bytes":1,"write_bytes":2,"read_operations":3,"write_operations":4}]},"pressure":[{"resource":"cpu","level":"some","stall":1000000,"window":500000000}],"frozen":true,"policy":"observe","parent":"outer"})");
  EXPECT_EQ(write_cgroup_spec(read_cgroup_spec(full)), full);
  const auto least = write_cgroup_spec(read_cgroup_spec(Json::object()));
  EXPECT_EQ(least.at("parent"), nullptr);
  EXPECT_EQ(least.at("frozen"), false);
  EXPECT_TRUE(read_cgroup_spec(least).limits.empty());
  EXPECT_EQ(read_cgroup_spec(Json::parse(R"({"cpuset":{"cpus":"1,0"}})")).limits.cpuset_cpus, "0-1");
}

TEST(CgroupSpec, table) {
  const struct { const char* json; const char* error; } table[] = {
      {R"({"cpu":{"weight":0}})", "/cpu/weight range"}, {R"({"cpu":{"weight":10001}})", "/cpu/weight range"},
      {R"({"cpu":{"shares":1}})", "/cpu/shares range"}, {R"({"cpu":{"shares":7,"weight":7}})", "/cpu/shares conflict"},
      {R"({"cpu":{"max":{"quota":999999}}})", "/cpu/max/quota range"}, {R"({"cpu":{"max":{"quota":1000001}}})", "/cpu/max/quota format"},
      {R"({"cpu":{"max":{}}})", "/cpu/max/quota required"}, {R"({"cpuset":{"cpus":"3-1"}})", "/cpuset/cpus format"},
      {R"({"cpuset":{"cpus":"0\n"}})", "/cpuset/cpus format"}, {R"({"memory":{"max":-1}})", "/memory/max range"},
      {R"({"memory":{"max":9223372036854775808}})", "/memory/max range"}, {R"({"memory":{"max":"10X"}})", "/memory/max type"},
      {R"({"pids":{"max":0}})", "/pids/max range"}, {R"({"io":{"limits":[{"device":"8:0"}]}})", "/io/limits/0 required"},
      {R"({"io":{"limits":[{"device":"8:0\n","read_bytes":1}]}})", "/io/limits/0/device format"},
      {R"({"io":{"limits":[{"device":"8:0","read_bytes":1},{"device":"8:0","read_bytes":1}]}})", "/io/limits/1/device duplicate"},
      {R"({"memory":{"on_excess":"maybe"}})", "/memory/on_excess choice"}, {R"({"policy":"ignore"})", "/policy choice"},
      {R"({"pressure":[{"resource":"cpu"}]})", "/pressure/0/stall required"}, {R"({"pressure":[{"resource":"net","stall":1000000}]})", "/pressure/0/resource choice"},
      {R"({"pressure":[{"resource":"cpu","stall":1000000,"window":499000000}]})", "/pressure/0/window range"},
      {R"({"pressure":[{"resource":"cpu","stall":2000000000,"window":1000000000}]})", "/pressure/0/stall range"},
      {R"({"pressure":[{"resource":"cpu","stall":1000000},{"resource":"cpu","stall":1000000}]})", "/pressure/1 duplicate"},
      {R"({"parent":"../x"})", "/parent format"}, {R"({"frozen":1})", "/frozen type"}, {R"({"limits":{}})", "/limits unknown-field"}};
  for (const auto& [json, error] : table)
    EXPECT_EQ(errors_of([&] { read_cgroup_spec(Json::parse(json)); }), error) << json;
}

TEST(ProcessesRequest, EitherAPidOrACommand) {
  EXPECT_EQ(read_processes_request({{"pid", 7}, {"descendants", true}}).pid, 7);
  EXPECT_EQ(read_processes_request({{"command", {"a", ""}}, {"cpus", "1,0"}}).cpus, "0-1");
  const char* wrong[] = {R"({})", R"({"pid":7,"command":["a"]})", R"({"pid":0})", R"({"command":[]})", R"({"command":["a"],"cpus":"x"})",
                         R"({"pid":7,"cpus":"0"})", R"({"command":["a"],"descendants":false})", R"({"command":["a"],"cwd":"x"})"};
  for (const char* json : wrong) EXPECT_THROW(read_processes_request(Json::parse(json)), Error) << json;
}

}  // namespace
}  // namespace sovirt
