#pragma once
#include <set>
#include <string>
#include <vector>

#include "api/container.hpp"
#include "daemon/domain/bridge_services.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/kernel_ports.hpp"

namespace sovirt {

// Addresses and ports of the host that a container's NICs are to have: chosen where the spec leaves it open, and refused
// where a stranger has them. Asked when a container is created or changed, never at a start. Thread-safe.
class NicAddresses {
 public:
  NicAddresses(Catalog& catalog, const KernelPorts& kernel, const BridgeServices& services)
      : catalog_(catalog), kernel_(kernel), services_(services) {}

  // The facts that "auto" stands for; one that was decided is kept as long as it lies in the bridge's subnet.
  void decide(Resource& wanted, const Resource* before) const;
  std::vector<std::string> lock_keys(const Json& spec) const;   // so that two do not choose the same
  // Error{duplicate} for an address that answers on the wire, Error{conflict} for a port that a process of the host listens on.
  void check(const Resource& wanted, const Entry* before) const;

 private:
  Cidr choose(const NicSpec&, const std::string& at, std::set<std::string>& taken) const;
  bool strangers_on(const std::string& bridge) const;
  void check_wire(const Resource& wanted, const NicSpec&, std::size_t index, const NicSpec* old) const;
  void check_port(const PublishSpec&, const std::string& pointer, const std::vector<SocketState>&) const;

  Catalog& catalog_;
  KernelPorts kernel_;
  const BridgeServices& services_;
};

}  // namespace sovirt
