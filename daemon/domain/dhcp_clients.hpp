#pragma once
#include <memory>
#include <optional>
#include <string>

#include "api/bridge.hpp"
#include "api/container.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/ports/helpers.hpp"
#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt {

// A DHCP client (busybox udhcpc) for each bridge and each NIC of a running container that wants its address from one.
// It works from the outside, in the network namespace of the interface, so an image needs none. Thread-safe.
class DhcpClients {
 public:
  DhcpClients(Catalog& catalog, Helpers& helpers, NetworkKernel& network) : catalog_(catalog), helpers_(helpers), network_(network) {}

  void require() const;   // Error{unsupported} without udhcpc on this host
  // Started where it is wanted and does not run, or the address it got is gone; ended where it is not wanted any more.
  void plan_bridge(const Resource& bridge, const BridgeSpec&, const Entry* before, const LinkState*, Plan&) const;
  void plan_bridge_removal(const Resource& bridge, Plan&) const;
  // `init`: of the running container whose client has ended; nullopt: in the plan that starts it, behind its network.
  void plan_nic(const Resource& container, const NicSpec&, std::size_t index, std::optional<pid_t> init, Plan&) const;
  void plan_stop(const Resource& container, const ContainerSpec&, Plan&) const;
  void plan_stop_nic(const Resource& container, const NicSpec&, std::size_t index, Plan&) const;
  ActionTable actions();
  void collect_orphans();
  std::shared_ptr<void> watch(Notice&);

 private:
  Catalog& catalog_;
  Helpers& helpers_;
  NetworkKernel& network_;
};

}  // namespace sovirt
