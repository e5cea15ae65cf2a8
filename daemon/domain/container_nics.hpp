#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/container.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/dhcp_clients.hpp"
#include "daemon/domain/end_holders.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/netns_rules.hpp"

namespace sovirt {

// The NICs of running containers: made at a start, added, removed and changed while it runs, and looked after. Both ends
// of one carry the same mark, by which they are found as the ends of links are. Thread-safe.
class ContainerNics {
 public:
  ContainerNics(Catalog& catalog, const KernelPorts& kernel, const NetnsRules& namespaces, const DhcpClients& clients)
      : catalog_(catalog), kernel_(kernel), namespaces_(namespaces), clients_(clients) {}

  Json args_of(const Resource& container) const;           // of each of its NICs, to make or to remove them
  void plug(const Json& args, int netns) const;            // repeated: the same NIC, no error
  void unplug(const Json& args) const noexcept;            // what is gone already is no error
  // From what a running container has to what is wanted. wanted == before: what somebody else has changed.
  void plan(const Entry& before, const Resource& wanted, Plan&) const;
  Json rate_status(const Entry&, const Json& nic, std::size_t index) const;   // {"egress","ingress"}, null where there is none
  ActionTable actions();

  std::shared_ptr<void> watch(Notice&);
  void started(const std::string& uid) const;              // it runs: to be looked after from now on
  void forget(const std::string& uid) const;

 private:
  struct Change;
  Json args_of(const Resource&, const NicSpec&, std::size_t index) const;
  unique_fd place_of(const Json& args) const;              // of the outer end; none: the host's
  void plan_kept(const Change&, Plan&) const;
  void plan_outside(const Change&, const Json& from, const Json& to, const FoundEnd& found, Plan&) const;
  void plan_inside(const Change&, const Json& from, const Json& to, const FoundEnd& found, Plan&) const;
  void plan_route(const Change&, const Json& from, const Json& to, Plan&) const;
  void set_end(const Json& args, bool inside, const Json& state) const;
  void set_route(const Json& args, const Json& from, const Json& to) const;
  void shape(const Json& args, int netns) const;
  void connect(const Json& args, int netns) const;
  void follow(const std::string& uid, pid_t init, int netns) const;
  unique_fd inside_of(const Json& args) const;             // none: it has just ended

  Catalog& catalog_;
  KernelPorts kernel_;
  const NetnsRules& namespaces_;
  const DhcpClients& clients_;
  Notice* notice_ = nullptr;                                              // set once, before anything runs
  mutable EndHolders holders_;                                            // uids of containers, of outer ends
  mutable std::mutex mutex_;
  mutable std::map<std::string, int> followed_;                           // uid -> pid whose namespace is watched
};

}  // namespace sovirt
