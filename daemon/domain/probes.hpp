#pragma once
#include "api/probe.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/netns_rules.hpp"

namespace sovirt {

// A packet sent out and, where it does not come through, the way it should have gone, looked at hop by hop.
class Probes {
 public:
  Probes(Catalog& catalog, const NetnsRules& namespaces, const KernelPorts& kernel)
      : catalog_(catalog), namespaces_(namespaces), kernel_(kernel) {}
  Json run(const ProbeRequest&, int netns);   // {"reachable","rtt","blocked_by"}; netns: where it starts, -1 the host

 private:
  Catalog& catalog_;
  const NetnsRules& namespaces_;
  KernelPorts kernel_;
};

}  // namespace sovirt
