#include "daemon/kernel/namespace/nft_rules.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include <nlohmann/json.hpp>

namespace sovirt::netns {
namespace {

enum class Verdict { none, accept, drop, reject };

std::string text_of(const Json& json, const char* key) {
  return json.is_object() && json.contains(key) && json.at(key).is_string() ? json.at(key).get<std::string>() : "";
}

bool glob(const std::string& pattern, const std::string& name) {
  if (!pattern.empty() && pattern.back() == '*') return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == name;
}

bool address_in(const Json& right, const std::optional<IpAddress>& address) {
  if (!address) return false;
  if (right.is_string()) return right.get<std::string>() == address->text();
  if (right.is_object() && right.contains("prefix")) {
    const auto base = IpAddress::parse(text_of(right.at("prefix"), "addr"));
    return base && base->is_v6() == address->is_v6() && Cidr{*base, right.at("prefix").value("len", 0U)}.contains(*address);
  }
  return false;
}

bool number_in(const Json& right, unsigned number) {
  if (right.is_number_integer()) return right.get<std::int64_t>() == number;
  if (right.is_object() && right.contains("range") && right.at("range").size() == 2 && right.at("range")[0].is_number_integer())
    return right.at("range")[0].get<std::int64_t>() <= number && number <= right.at("range")[1].get<std::int64_t>();
  return false;
}

// One element, or any of a set or list.
template <class Test>
bool any_of(const Json& right, Test test) {
  if (right.is_object() && right.contains("set")) return any_of(right.at("set"), test);
  if (right.is_array()) return std::any_of(right.begin(), right.end(), test);
  return test(right);
}

class Reader {
 public:
  Reader(const Json& ruleset, const ProbePacket& packet) : packet_(packet) {
    if (ruleset.is_object() && ruleset.contains("nftables"))
      for (const Json& item : ruleset.at("nftables")) items_.push_back(&item);
  }

  std::optional<DropRule> on_hook(const std::string& hook) const {
    std::vector<const Json*> chains;
    for (const Json* item : items_)
      if (item->contains("chain") && text_of(item->at("chain"), "hook") == hook && reads(text_of(item->at("chain"), "family")))
        chains.push_back(&item->at("chain"));
    std::stable_sort(chains.begin(), chains.end(), [](const Json* a, const Json* b) { return a->value("prio", 0) < b->value("prio", 0); });
    for (const Json* chain : chains) {
      DropRule found;
      const Verdict verdict = walk(*chain, text_of(*chain, "name"), found, 0);
      found.chain = text_of(*chain, "family") + " " + text_of(*chain, "table") + " " + (found.chain.empty() ? text_of(*chain, "name") : found.chain);
      found.rejects = verdict == Verdict::reject;
      if (verdict == Verdict::drop || verdict == Verdict::reject) return found;
      if (verdict == Verdict::none && text_of(*chain, "policy") == "drop") {
        found.detail = "policy drop";
        return found;
      }
    }
    return std::nullopt;
  }

 private:
  bool reads(const std::string& family) const { return family == "inet" || family == (packet_.to.is_v6() ? "ip6" : "ip"); }

  Verdict walk(const Json& base, const std::string& chain, DropRule& found, int depth) const {
    if (depth > 16) return Verdict::none;
    for (const Json* item : items_) {
      if (!item->contains("rule")) continue;
      const Json& rule = item->at("rule");
      if (text_of(rule, "chain") != chain || text_of(rule, "table") != text_of(base, "table") || text_of(rule, "family") != text_of(base, "family")) continue;
      const Verdict verdict = of_rule(base, rule, found, depth);
      if (verdict == Verdict::none) continue;
      if (found.chain.empty() && verdict != Verdict::accept) {
        found.chain = chain;
        found.detail = "rule " + std::to_string(rule.value("handle", 0)) + (verdict == Verdict::drop ? ": drop" : ": reject");
        if (const std::string comment = text_of(rule, "comment"); !comment.empty()) found.detail += " (" + comment + ")";
      }
      return verdict;
    }
    return Verdict::none;
  }

  Verdict of_rule(const Json& base, const Json& rule, DropRule& found, int depth) const {
    if (!rule.contains("expr")) return Verdict::none;
    for (const Json& part : rule.at("expr")) {
      if (part.contains("match") && !holds(part.at("match"))) return Verdict::none;
      if (part.contains("xt") || part.contains("vmap") || part.contains("limit")) return Verdict::none;   // beyond this reading
      if (part.contains("accept")) return Verdict::accept;
      if (part.contains("drop")) return Verdict::drop;
      if (part.contains("reject")) return Verdict::reject;
      for (const char* jump : {"jump", "goto"})
        if (part.contains(jump)) {
          const Verdict inner = walk(base, text_of(part.at(jump), "target"), found, depth + 1);
          if (inner != Verdict::none) return inner;
        }
      if (part.contains("return")) return Verdict::none;
    }
    return Verdict::none;
  }

  bool holds(const Json& match) const {
    const std::string op = text_of(match, "op");
    if (op != "==" && op != "!=" && op != "in") return false;
    const auto result = equal(match.at("left"), match.at("right"));
    return result && (op == "!=") != *result;
  }

  // nullopt: it cannot be said.
  std::optional<bool> equal(const Json& left, const Json& right) const {
    if (left.contains("meta")) return of_meta(text_of(left.at("meta"), "key"), right);
    if (left.contains("ct") && text_of(left.at("ct"), "key") == "state")
      return any_of(right, [&](const Json& one) { return one == (packet_.reply ? "established" : "new"); });
    if (!left.contains("payload")) return std::nullopt;
    const std::string protocol = text_of(left.at("payload"), "protocol"), field = text_of(left.at("payload"), "field");
    if (protocol == "ip" || protocol == "ip6") return of_header(protocol == "ip6", field, right);
    if (protocol == "tcp" || protocol == "th") {
      if (!packet_.tcp) return false;
      if (field == "dport") return packet_.to_port != 0 && any_of(right, [&](const Json& one) { return number_in(one, packet_.to_port); });
      if (field == "sport" && packet_.from_port != 0) return any_of(right, [&](const Json& one) { return number_in(one, packet_.from_port); });
      return std::nullopt;
    }
    if (protocol == "udp") return false;
    if ((protocol == "icmp" || protocol == "icmpv6") && field == "type")
      return !packet_.tcp && any_of(right, [&](const Json& one) { return one == (packet_.reply ? "echo-reply" : "echo-request"); });
    return std::nullopt;
  }

  std::optional<bool> of_meta(const std::string& key, const Json& right) const {
    const auto names = [&](const std::string& name) {
      return any_of(right, [&](const Json& one) { return one.is_string() && glob(one.get<std::string>(), name); });
    };
    if (key == "iifname" || key == "iif") return names(packet_.in);
    if (key == "oifname" || key == "oif") return names(packet_.out);
    if (key == "l4proto") return names(packet_.tcp ? "tcp" : packet_.to.is_v6() ? "ipv6-icmp" : "icmp");
    if (key == "nfproto") return names(packet_.to.is_v6() ? "ipv6" : "ipv4");
    return std::nullopt;
  }

  std::optional<bool> of_header(bool v6, const std::string& field, const Json& right) const {
    if (v6 != packet_.to.is_v6()) return false;
    if (field == "daddr") return any_of(right, [&](const Json& one) { return address_in(one, packet_.to); });
    if (field == "saddr") return any_of(right, [&](const Json& one) { return address_in(one, packet_.from); });
    if (field == "protocol" || field == "nexthdr")
      return any_of(right, [&](const Json& one) { return one == (packet_.tcp ? "tcp" : v6 ? "ipv6-icmp" : "icmp"); });
    return std::nullopt;
  }

  const ProbePacket& packet_;
  std::vector<const Json*> items_;
};

}  // namespace

std::optional<DropRule> find_drop(const Json& ruleset, const std::string& hook, const ProbePacket& packet) {
  return Reader{ruleset, packet}.on_hook(hook);
}

}  // namespace sovirt::netns
