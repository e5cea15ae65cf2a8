#pragma once
#include <string>
#include <vector>

#include "api/bridge.hpp"
#include "daemon/domain/bridge_services.hpp"
#include "daemon/domain/bridge_uplinks.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/dhcp_clients.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/packet_rules.hpp"
#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt {

// The bridge kind: spec, observation, difference. Reads the kernel; changes it only by the steps it plans.
class Bridges final : public KindRules {
 public:
  Bridges(Catalog& catalog, const KernelPorts& kernel, PacketRules& packet_rules, BridgeServices& services, DhcpClients& clients)
      : catalog_(catalog), network_(kernel.network), packet_rules_(packet_rules), services_(services), clients_(clients), uplinks_(kernel.network, kernel.uplinks) {}

  Kind kind() const noexcept override { return Kind::bridge; }
  void complete(Resource& wanted, const Resource* before) const override;  // facts: a generated MAC
  std::vector<Claim> claims(const Resource&) const override;
  std::vector<std::string> lock_keys(const Json& spec) const override;
  void check(const Resource& wanted, const Entry* before) const override;  // subnets of other bridges: Error{duplicate}

  // Running containers' ports included. Throws Error{conflict} where the name belongs to an interface that is not ours.
  Plan plan(const Resource& wanted, const Entry* before) const override;
  Plan plan_removal(const Resource&) const override;
  Json status(const Entry&) const override;
  ActionTable actions() override;

  bool reconciled() const noexcept override { return true; }
  Policy policy(const Resource&) const override;
  std::shared_ptr<void> watch(Notice&) override;

 private:
  void heard(Notice&, const LinkEvent&, bool lost) const;
  void plan_link(const Resource&, const LinkState*, Plan&) const;
  void plan_addresses(const Resource&, const LinkState*, Plan&) const;
  void plan_ports(const Resource&, const LinkState*, Plan&) const;
  void plan_port(const Resource&, const Entry& container, const NicSpec&, std::size_t index, const LinkState*, Plan&) const;
  void plan_filter(const Resource&, Plan&) const;
  bool publishes(const Resource&) const;
  void report_obstacles() const;

  Catalog& catalog_;
  NetworkKernel& network_;
  PacketRules& packet_rules_;
  BridgeServices& services_;
  DhcpClients& clients_;
  BridgeUplinks uplinks_;
};

}  // namespace sovirt
