// How rulesets of nft(8) are read: no kernel, no fake.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "daemon/kernel/namespace/nft_rules.hpp"

namespace sovirt::contract {
namespace {

Json chain(const std::string& hook, const std::string& policy) {
  return {{"chain", {{"family", "inet"}, {"table", "lab"}, {"name", hook}, {"hook", hook}, {"prio", 0}, {"policy", policy}, {"type", "filter"}}}};
}
Json rule(const std::string& of, Json expressions) {
  return {{"rule", {{"family", "inet"}, {"table", "lab"}, {"chain", of}, {"handle", 7}, {"expr", std::move(expressions)}}}};
}
Json match(Json left, Json right, const std::string& op = "==") { return {{"match", {{"op", op}, {"left", std::move(left)}, {"right", std::move(right)}}}}; }
Json field(const std::string& protocol, const std::string& name) { return {{"payload", {{"protocol", protocol}, {"field", name}}}}; }
Json rules(std::vector<Json> items) { return {{"nftables", std::move(items)}}; }

ProbePacket packet() {
  ProbePacket out;
  out.from = IpAddress::parse("10.0.0.2");
  out.to = *IpAddress::parse("10.0.0.1");
  out.to_port = 80;
  out.tcp = true;
  out.in = "eth0";
  return out;
}

TEST(NftRules, PolicyCountsUnlessARuleAccepts) {
  const auto drop = netns::find_drop(rules({chain("input", "drop")}), "input", packet());
  ASSERT_TRUE(drop);
  EXPECT_EQ(drop->chain, "inet lab input");
  EXPECT_EQ(drop->detail, "policy drop");
  EXPECT_FALSE(netns::find_drop(rules({chain("input", "accept")}), "input", packet()));
  EXPECT_FALSE(netns::find_drop(rules({chain("input", "drop")}), "forward", packet()));
  const Json accept = rule("input", {match(field("tcp", "dport"), 80), {{"accept", nullptr}}});
  EXPECT_FALSE(netns::find_drop(rules({chain("input", "drop"), accept}), "input", packet()));
}

TEST(NftRules, RuleIsBlamedOnlyIfItMatches) {
  const auto drops = [](Json expression) {
    return netns::find_drop(rules({chain("input", "accept"), rule("input", {std::move(expression), {{"drop", nullptr}}})}), "input", packet()).has_value();
  };
  EXPECT_TRUE(drops(match(field("tcp", "dport"), 80)));
  EXPECT_FALSE(drops(match(field("tcp", "dport"), 81)));
  EXPECT_TRUE(drops(match(field("tcp", "dport"), {{"set", {22, 80}}})));
  EXPECT_TRUE(drops(match(field("tcp", "dport"), {{"range", {1, 100}}})));
  EXPECT_TRUE(drops(match(field("tcp", "dport"), 81, "!=")));
  EXPECT_TRUE(drops(match(field("ip", "saddr"), {{"prefix", {{"addr", "10.0.0.0"}, {"len", 8}}}})));
  EXPECT_FALSE(drops(match(field("ip", "saddr"), "10.0.0.3")));
  EXPECT_FALSE(drops(match(field("ip6", "saddr"), "fd00::1")));
  EXPECT_FALSE(drops(match(field("udp", "dport"), 80)));
  EXPECT_TRUE(drops(match({{"meta", {{"key", "iifname"}}}}, "eth*")));
  EXPECT_FALSE(drops(match({{"meta", {{"key", "iifname"}}}}, "lan0")));
  EXPECT_TRUE(drops(match({{"ct", {{"key", "state"}}}}, "new", "in")));
  EXPECT_FALSE(drops(match({{"ct", {{"key", "state"}}}}, {"established", "related"}, "in")));
  EXPECT_FALSE(drops({{"xt", {{"type", "match"}}}})) << "what cannot be read is not blamed";
}

TEST(NftRules, JumpsAreFollowedAndLoopsEnd) {
  const Json jump = rule("input", {{{"jump", {{"target", "inner"}}}}});
  const Json inner = rule("inner", {{{"reject", nullptr}}});
  const auto drop = netns::find_drop(rules({chain("input", "accept"), jump, inner}), "input", packet());
  ASSERT_TRUE(drop);
  EXPECT_TRUE(drop->rejects);
  EXPECT_EQ(drop->chain, "inet lab inner");
  const Json again = rule("inner", {{{"jump", {{"target", "inner"}}}}});
  EXPECT_FALSE(netns::find_drop(rules({chain("input", "accept"), jump, again}), "input", packet()));
}

TEST(NftRules, NonsenseIsNoRuleset) {
  for (const Json& nonsense : {Json(), Json(7), Json::array(), Json{{"nftables", Json::array({Json::object()})}}})
    EXPECT_FALSE(netns::find_drop(nonsense, "input", packet()));
}

}  // namespace
}  // namespace sovirt::contract
