#include "daemon/kernel/filter/kernel_packet_filter.hpp"

#include <algorithm>
#include <mutex>
#include <optional>

#include <nlohmann/json.hpp>

#include "daemon/base/error.hpp"
#include "daemon/kernel/filter/filter_watcher.hpp"
#include "daemon/kernel/filter/forwarding.hpp"
#include "daemon/kernel/filter/nft_rules.hpp"
#include "daemon/kernel/helper/run_program.hpp"

namespace sovirt::filter {
namespace {

constexpr std::chrono::seconds patience{20};

Forwarding::Needs needs_of(const FilterRules& rules) {
  Forwarding::Needs needs;
  for (const BridgeFilter& one : rules.bridges) {
    needs.v4 = needs.v4 || one.masquerade;
    needs.v6 = needs.v6 || (one.masquerade && one.v6);
  }
  for (const Publication& one : rules.publications) {
    (one.address.address().is_v6() ? needs.v6 : needs.v4) = true;
    const bool known = std::find(needs.localnet.begin(), needs.localnet.end(), one.bridge) != needs.localnet.end();
    if (!one.address.address().is_v6() && !known) needs.localnet.push_back(one.bridge);
  }
  return needs;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

class KernelPacketFilter final : public PacketFilter {
 public:
  explicit KernelPacketFilter(const PacketFilterOptions& options)
      : table_("sovirt-" + options.instance), forwarding_(options.record) {}

  std::string missing() override {
    if (helper::find_program("nft").empty()) return "the program nft (package nftables)";
    const std::lock_guard lock(mutex_);
    // Learnt once, where there is nothing to be seen of it beforehand: the kernel loads its modules on demand.
    if (!lacks_) lacks_ = probe();
    return *lacks_;
  }

  void replace(const FilterRules& rules) override {
    if (rules.empty() && helper::find_program("nft").empty()) return;
    if (const std::string lack = rules.empty() ? "" : missing(); !lack.empty())
      throw Error{Code::unsupported, "this host lacks " + lack + ", which nat, isolation and publish need"};
    const std::lock_guard lock(mutex_);
    const auto needs = needs_of(rules);
    forwarding_.switch_on(needs);
    const auto result = nft({"-j", "-f", "-"}, replacement(table_, table_of(rules)).dump());
    if (result.status != 0) throw Error{Code::internal, "nft refused the table " + table_ + ": " + first_line(result.error_output)};
    forwarding_.switch_off(needs, !others_at_forward().empty());
  }

  bool holds(const FilterRules& rules) override {
    const std::lock_guard lock(mutex_);
    if (rules.empty() && helper::find_program("nft").empty()) return true;
    if (!Forwarding::is_on(needs_of(rules))) return false;
    const auto result = nft({"-j", "list", "table", "inet", table_}, "");
    if (result.status != 0) return rules.empty();
    const Json listing = Json::parse(result.output, nullptr, false);
    return !rules.empty() && !listing.is_discarded() && shows(listing, table_of(rules));
  }

  std::vector<std::string> blocking_chains() override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const Json& chain : others_at_forward())
      if (chain.value("policy", "") == "drop")
        names.push_back("chain " + chain.value("name", "") + " of table " + chain.value("family", "") + " " + chain.value("table", ""));
    return names;
  }

  std::shared_ptr<void> watch(std::function<void()> changed) override { return watch_filter(table_, std::move(changed)); }

 private:
  static helper::ProgramResult nft(std::vector<std::string> arguments, const std::string& input) {
    arguments.insert(arguments.begin(), helper::find_program("nft"));
    return helper::run_program(arguments, input, patience);
  }

  // A dry run of everything a rule of ours can hold.
  static std::string probe() {
    FilterRules all;
    all.bridges.push_back({"probe0", true, true, false, true});
    all.publications.push_back({"probe", "probe0", false, 1, *Cidr::parse("192.0.2.1/24"), 1, false});
    all.publications.push_back({"probe", "probe0", true, 1, *Cidr::parse("2001:db8::1/64"), 1, false});
    const auto result = nft({"-c", "-j", "-f", "-"}, replacement("sovirt-probe", table_of(all)).dump());
    return result.status == 0 ? "" : "nftables in the kernel (CONFIG_NF_TABLES_INET, NFT_NAT, NFT_MASQ, NFT_FIB_INET): " + first_line(result.error_output);
  }

  // Base chains of others where packets are forwarded.
  Json others_at_forward() const {
    Json found = Json::array();
    if (helper::find_program("nft").empty()) return found;
    const Json listing = Json::parse(nft({"-j", "list", "chains"}, "").output, nullptr, false);
    if (listing.is_discarded()) return found;
    for (const Json& item : listing.value("nftables", Json::array())) {
      if (!item.contains("chain")) continue;
      const Json& chain = item.at("chain");
      const std::string family = chain.value("family", "");
      if (chain.value("hook", "") != "forward" || chain.value("table", "") == table_) continue;
      if (family == "ip" || family == "ip6" || family == "inet") found.push_back(chain);
    }
    return found;
  }

  std::string table_;
  std::mutex mutex_;
  Forwarding forwarding_;
  std::optional<std::string> lacks_;
};

}  // namespace
}  // namespace sovirt::filter

namespace sovirt {

std::unique_ptr<PacketFilter> make_packet_filter(const PacketFilterOptions& options) {
  return std::make_unique<filter::KernelPacketFilter>(options);
}

}  // namespace sovirt
