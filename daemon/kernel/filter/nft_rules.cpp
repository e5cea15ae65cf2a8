#include "daemon/kernel/filter/nft_rules.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>

#include <nlohmann/json.hpp>

namespace sovirt::filter {
namespace {

Json equal(Json left, Json right) { return {{"match", {{"op", "=="}, {"left", std::move(left)}, {"right", std::move(right)}}}}; }
Json differs(Json left, Json right) { return {{"match", {{"op", "!="}, {"left", std::move(left)}, {"right", std::move(right)}}}}; }
Json meta(const char* key) { return {{"meta", {{"key", key}}}}; }
Json field(const char* protocol, const char* name) { return {{"payload", {{"protocol", protocol}, {"field", name}}}}; }
Json from(const std::string& bridge) { return equal(meta("iifname"), bridge); }
Json to(const std::string& bridge) { return equal(meta("oifname"), bridge); }
Json translated() { return {{"match", {{"op", "in"}, {"left", {{"ct", {{"key", "status"}}}}}, {"right", "dnat"}}}}; }
Json loopback_net() { return {{"prefix", {{"addr", "127.0.0.0"}, {"len", 8}}}}; }
const char* family(const IpAddress& address) { return address.is_v6() ? "ip6" : "ip"; }
Json verdict(const char* word) { return {{word, nullptr}}; }

// FNV-1a: it tells an edited rule from ours, it keeps no secret.
std::string digest(const std::string& text) {
  std::uint32_t hash = 2166136261U;
  for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 16777619U;
  char out[9];
  std::snprintf(out, sizeof out, "%08x", hash);
  return out;
}

// A table in the making.
class Table {
 public:
  void chain(const char* name, const char* type, const char* hook, int priority) {
    table_["chains"][name] = {{"chain", {{"type", type}, {"hook", hook}, {"prio", priority}, {"policy", "accept"}}}, {"rules", Json::array()}};
  }
  void rule(const char* chain, const std::string& purpose, Json expression) {
    // NFT_USERDATA_MAXLEN leaves 128 bytes for a comment.
    std::string comment = purpose.substr(0, 110) + " #" + digest(expression.dump());
    table_["chains"][chain]["rules"].push_back({{"expr", std::move(expression)}, {"comment", std::move(comment)}});
  }
  Json take() { return std::move(table_); }

 private:
  Json table_ = Json::object();
};

void add_chains(Table& table) {
  table.chain("guard", "filter", "prerouting", -300);
  table.chain("publish", "nat", "prerouting", -100);
  table.chain("publish-local", "nat", "output", -100);
  table.chain("crossing", "filter", "forward", 0);
  table.chain("outbound", "nat", "postrouting", 100);
}

void isolate(Table& table, const BridgeFilter& one, const FilterRules& rules) {
  for (const BridgeFilter& other : rules.bridges) {
    if (other.bridge == one.bridge) continue;
    // Of two isolated bridges each has its rules: either may go alone.
    table.rule("crossing", "isolation of " + one.bridge, Json::array({from(one.bridge), to(other.bridge), verdict("drop")}));
    table.rule("crossing", "isolation of " + one.bridge, Json::array({from(other.bridge), to(one.bridge), verdict("drop")}));
  }
  // Its ports are isolated from each other by the bridge itself; here against the way round by this host. With
  // br_netfilter this hook also sees what is bridged from a port to the host's NIC, which must pass.
  if (!one.uplinked) table.rule("crossing", "isolation of " + one.bridge, Json::array({from(one.bridge), to(one.bridge), verdict("drop")}));
}

void publish(Table& table, const Publication& one) {
  const char* const protocol = one.udp ? "udp" : "tcp";
  const char* const ip = family(one.address.address());
  const std::string address = one.address.address().text();
  const std::string purpose = one.owner + " " + protocol + " " + std::to_string(one.host_port);
  const Json here = equal({{"fib", {{"result", "type"}, {"flags", Json::array({"daddr"})}}}}, "local");
  const Json translate{{"dnat", {{"family", ip}, {"addr", address}, {"port", one.port}}}};
  const Json of_family = equal(meta("nfproto"), one.address.address().is_v6() ? "ipv6" : "ipv4");
  const Json called = equal(field(protocol, "dport"), one.host_port);
  for (const char* chain : {"publish", "publish-local"}) table.rule(chain, purpose, Json::array({of_family, here, called, translate}));
  // The container would answer these callers past this host, or not at all: they must look like the host to it.
  Json source = Json::array({to(one.bridge), equal(field(ip, "daddr"), address), equal(field(protocol, "dport"), one.port), translated()});
  if (one.no_way_back) {
    source.push_back(verdict("masquerade"));
    table.rule("outbound", purpose, std::move(source));
    return;
  }
  Json neighbour = source, local = source;
  // By source address: with br_netfilter such a packet does not enter the host, so it has no interface it came from.
  neighbour.push_back(equal(field(ip, "saddr"), {{"prefix", {{"addr", one.address.network().text()}, {"len", one.address.prefix()}}}}));
  neighbour.push_back(verdict("masquerade"));
  table.rule("outbound", purpose + " from its own bridge", std::move(neighbour));
  if (one.address.address().is_v6()) return;   // ::1 does not leave the host, whatever it is translated to
  local.push_back(equal(field(ip, "saddr"), loopback_net()));
  local.push_back(verdict("masquerade"));
  table.rule("outbound", purpose + " from localhost", std::move(local));
}

bool same_chain(const Json& shown, const Json& wanted) {
  for (const char* key : {"type", "hook", "prio", "policy"})
    if (shown.value(key, Json()) != wanted.at("chain").at(key)) return false;
  return true;
}

}  // namespace

Json table_of(const FilterRules& rules) {
  if (rules.empty()) return nullptr;
  Table table;
  add_chains(table);
  for (const BridgeFilter& one : rules.bridges) {
    if (one.isolated) isolate(table, one, rules);
    if (one.masquerade)
      table.rule("outbound", "nat of " + one.bridge, Json::array({from(one.bridge), differs(meta("oifname"), one.bridge), verdict("masquerade")}));
  }
  std::vector<std::string> guarded;
  for (const Publication& one : rules.publications) {
    publish(table, one);
    // route_localnet, which local callers need, would let the bridge's other side reach what listens on 127.0.0.1 only.
    if (one.address.address().is_v6() || std::find(guarded.begin(), guarded.end(), one.bridge) != guarded.end()) continue;
    guarded.push_back(one.bridge);
    table.rule("guard", "localhost against " + one.bridge,
               Json::array({from(one.bridge), equal(field("ip", "daddr"), loopback_net()), verdict("drop")}));
  }
  return table.take();
}

Json replacement(const std::string& name, const Json& table) {
  const Json self{{"family", "inet"}, {"name", name}};
  Json commands = Json::array({{{"add", {{"table", self}}}}, {{"delete", {{"table", self}}}}});
  if (table.is_object()) {
    commands.push_back({{"add", {{"table", self}}}});
    for (const auto& [chain, content] : table.at("chains").items()) {
      Json made = content.at("chain");
      made.update({{"family", "inet"}, {"table", name}, {"name", chain}});
      commands.push_back({{"add", {{"chain", std::move(made)}}}});
      for (Json rule : content.at("rules")) {
        rule.update({{"family", "inet"}, {"table", name}, {"chain", chain}});
        commands.push_back({{"add", {{"rule", std::move(rule)}}}});
      }
    }
  }
  return {{"nftables", std::move(commands)}};
}

bool shows(const Json& listing, const Json& table) {
  std::map<std::string, std::vector<std::string>> comments;
  std::size_t chains = 0;
  for (const Json& item : listing.at("nftables")) {
    if (item.contains("chain")) {
      const Json& chain = item.at("chain");
      const auto wanted = table.at("chains").find(chain.at("name").get<std::string>());
      if (wanted == table.at("chains").end() || !same_chain(chain, *wanted)) return false;
      ++chains;
    } else if (item.contains("rule")) {
      comments[item.at("rule").at("chain").get<std::string>()].push_back(item.at("rule").value("comment", ""));
    } else if (item.contains("set") || item.contains("map") || item.contains("flowtable")) {
      return false;
    }
  }
  if (chains != table.at("chains").size()) return false;
  for (const auto& [name, content] : table.at("chains").items()) {
    const auto& shown = comments[name];
    const Json& rules = content.at("rules");
    const auto same = [](const std::string& comment, const Json& rule) { return comment == rule.at("comment").get<std::string>(); };
    if (!std::equal(shown.begin(), shown.end(), rules.begin(), rules.end(), same)) return false;
  }
  return true;
}

}  // namespace sovirt::filter
