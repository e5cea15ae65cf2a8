#pragma once
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/packet_filter.hpp"

namespace sovirt::fakes {

// A host's packet filter in memory. tests/contract/filter holds it to what the real one does. Thread-safe; listeners
// are called in the thread that made the change, before the call returns.
class FakePacketFilter final : public PacketFilter {
 public:
  std::string missing() override;
  void replace(const FilterRules&) override;
  bool holds(const FilterRules&) override;
  std::vector<std::string> blocking_chains() override;
  std::shared_ptr<void> watch(std::function<void()>) override;

  void lack(std::string what);                 // the host has no nftables from now on
  void fail_replace(int n, Error error);       // the n-th replace from now on (1: the next) throws this and changes nothing
  FilterRules rules();                         // as the kernel holds them
  int replacements();

  // What others do to the host.
  void foreign_flush();                        // nft flush ruleset
  void foreign_edit();                         // a rule of our table is deleted
  void foreign_switch_off();                   // sysctl net.ipv4.ip_forward=0
  void foreign_drop_chain(std::string name);   // a base chain at the forward hook with policy drop

 private:
  void tell();

  std::mutex mutex_;
  std::string lacks_;
  FilterRules held_;
  bool edited_ = false, forwarding_ = false;
  std::vector<std::string> dropping_;
  int replacements_ = 0;
  std::optional<std::pair<int, Error>> failure_;
  struct Listeners {
    std::mutex mutex;
    std::list<std::function<void()>> all;
  };
  std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
};

}  // namespace sovirt::fakes
