#pragma once
#include "api/link.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/netns_rules.hpp"
#include "daemon/domain/network_tools.hpp"

namespace sovirt {

class HostNetworkTools final : public NetworkTools {
 public:
  HostNetworkTools(Catalog& catalog, const NetnsRules& namespaces, const KernelPorts& kernel)
      : catalog_(catalog), namespaces_(namespaces), kernel_(kernel) {}

  Json sockets(std::string_view netns) override;
  Json probe(const ProbeRequest&) override;
  Json addresses() override;
  ExecResult exec(std::string_view netns, const ExecRequest&, const ChangeContext&) override;

 private:
  unique_fd open(Place, const std::string& of) const;   // none for the host

  Catalog& catalog_;
  const NetnsRules& namespaces_;
  KernelPorts kernel_;
};

}  // namespace sovirt
