#pragma once
#include <string>
#include <vector>

#include "api/bridge.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/plan.hpp"
#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt {

// The bridge kind: spec, observation, difference. Reads the kernel; changes it only by the steps it plans.
class Bridges {
 public:
  Bridges(Catalog& catalog, NetworkKernel& network) : catalog_(catalog), network_(network) {}

  // Fills facts (a generated MAC) and canonical spec. `before` is what is replaced, or nullptr.
  void complete(Resource& wanted, const Resource* before) const;
  static std::vector<Claim> claims(const Resource&);
  void check(const Resource& wanted) const;            // subnets of other bridges; throws Error{duplicate}

  // From what the kernel has to what the spec asks, running containers' ports included.
  // Throws Error{conflict} where the name belongs to an interface that is not ours.
  Plan plan(const Resource& wanted) const;
  Plan plan_removal(const Resource&) const;
  Json status(const Entry&) const;
  ActionTable actions() const;

 private:
  void plan_link(const Resource&, const LinkState*, Plan&) const;
  void plan_addresses(const Resource&, const LinkState*, Plan&) const;
  void plan_ports(const Resource&, const LinkState*, Plan&) const;

  Catalog& catalog_;
  NetworkKernel& network_;
};

}  // namespace sovirt
