#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/cidr.hpp"

namespace sovirt {

// What the packet filter is to do for one of sovirt's bridges. Bridges that ask for nothing are listed too:
// the isolation of another one is from them.
struct BridgeFilter {
  std::string bridge;
  bool masquerade = false;   // what leaves the host from this bridge carries the host's address
  bool isolated = false;     // nothing is forwarded between this bridge and others of sovirt's
  bool uplinked = false;     // has a NIC of the host as a port: its traffic may pass bridged, to be left alone
  bool v6 = false;           // has IPv6 to be forwarded; IPv4 always
  bool operator==(const BridgeFilter&) const = default;
};

// A port of the host that leads to one of a container.
struct Publication {
  std::string owner;         // for people, in the rule's comment: "container/web"
  std::string bridge;
  bool udp = false;          // otherwise TCP
  std::uint16_t host_port = 0;
  Cidr address;              // of the container; callers of its own subnet reach it only by masquerade
  std::uint16_t port = 0;
  bool no_way_back = false;  // the container has no gateway: it must see the host as the caller
  bool operator==(const Publication&) const = default;
};

// All that sovirt asks of this host's packet filter at a time.
struct FilterRules {
  std::vector<BridgeFilter> bridges;
  std::vector<Publication> publications;
  bool empty() const noexcept {  // nothing to filter or to translate: no table is needed
    return publications.empty() &&
           std::none_of(bridges.begin(), bridges.end(), [](const BridgeFilter& one) { return one.masquerade || one.isolated; });
  }
  bool operator==(const FilterRules&) const = default;
};

// nftables of the network namespace the daemon was started in: one table of our own, replaced whole, and the switches
// in /proc/sys/net/ipv{4,6} that forwarding needs. No table of anybody else is changed. Thread-safe; every call blocks
// for a program run of a few milliseconds.
class PacketFilter {
 public:
  virtual ~PacketFilter() = default;

  virtual std::string missing() = 0;             // what this host lacks for rules, "" if nothing
  // In one transaction: packets meet the old rules or the new ones. Forwarding is switched on before where the rules
  // need it; what was switched on is switched off behind the last rule that needed it. Throws Error{unsupported}
  // where missing() says why, only for rules that are not empty().
  virtual void replace(const FilterRules&) = 0;
  virtual bool holds(const FilterRules&) = 0;    // true if host and kernel have exactly that
  // Chains of others that drop what our bridges forward unless told otherwise, for people: "chain FORWARD of table ip filter".
  virtual std::vector<std::string> blocking_chains() = 0;
  // Somebody, perhaps replace() itself, has changed the table, a chain or a switch; or messages were lost. From a thread
  // of its own, until the handle dies.
  virtual std::shared_ptr<void> watch(std::function<void()>) = 0;
};

}  // namespace sovirt
