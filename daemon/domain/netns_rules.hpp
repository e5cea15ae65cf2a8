#pragma once
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/netns.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/netns_ports.hpp"

namespace sovirt {

// The netns kind: a pinned network namespace with its settings and routes. Holds each of its namespaces open, so that one
// whose pin somebody takes away is pinned again with all that is in it.
class NetnsRules final : public KindRules {
 public:
  NetnsRules(Catalog& catalog, const NetnsPorts& ports) : catalog_(catalog), ports_(ports) {}

  Kind kind() const noexcept override { return Kind::netns; }
  void complete(Resource& wanted, const Resource* before) const override;
  void check(const Resource& wanted, const Entry* before) const override;  // a foreign one that is not to be adopted
  Plan plan(const Resource& wanted, const Entry* before) const override;
  void check_removal(const Entry&) const override;                         // processes in it: Error{in_use}
  Plan plan_removal(const Resource&) const override;
  Json status(const Entry&) const override;
  ActionTable actions() override;

  bool reconciled() const noexcept override { return true; }
  Policy policy(const Resource&) const override;
  std::shared_ptr<void> watch(Notice&) override;
  void collect_orphans(std::string_view instance) override;

  // Of a namespace that is as it should be. Error{conflict} if it is not there.
  unique_fd open(const Resource&) const;

 private:
  struct Held {
    std::string name;
    std::uint64_t inode = 0;
    unique_fd netns;
  };
  void hold(const std::string& uid, const std::string& name) const;
  void let_go(const std::string& uid) const;
  bool plan_pin(const Resource&, Plan&) const;   // false: it is not there yet
  void plan_sysctls(const NetnsSpec&, const NetnsSpec* before, const Resource&, int netns, Plan&) const;
  void plan_routes(const NetnsSpec&, const Resource&, int netns, Plan&) const;
  void heard(Notice&, const std::string& key) const;
  Json interfaces_status(int netns) const;
  Action create_action();
  Action sysctl_action();
  Action route_action(bool add);

  Catalog& catalog_;
  NetnsPorts ports_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Held> held_;   // by uid
};

// Routes that the spec asks for and nobody can have yet: the interface or the way to the gateway is missing.
bool can_have(const RouteSpec&, const std::vector<Interface>&);

}  // namespace sovirt
