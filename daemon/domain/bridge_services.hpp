#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/container.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/name_service.hpp"
#include "daemon/domain/ports/helpers.hpp"

namespace sovirt {

// The dnsmasq of each bridge that wants DHCP or DNS: started and ended by steps of the bridge's plans, told of
// containers as they come and go. Thread-safe.
class BridgeServices {
 public:
  BridgeServices(Catalog& catalog, Helpers& helpers) : catalog_(catalog), helpers_(helpers) {}

  static bool has_service(const Resource& bridge);                // without reading its whole spec
  void require(const BridgeSpec&) const;                          // Error{unsupported} without dnsmasq on this host
  // From the service that runs to the one the bridge asks for; "ended": drift that is repaired by a start.
  void plan(const Resource& bridge, const Entry* before, Plan&) const;
  void plan_removal(const Resource& bridge, Plan&) const;
  Json leases(const Resource& bridge) const;                      // for its status
  // Throws Error{duplicate} if a fixed address of the container is leased to somebody else at the moment.
  void check(const Resource& container, const ContainerSpec&) const;
  ActionTable actions();
  // Brings what the bridge's dnsmasq knows of containers up to date.
  void refresh(const Resource& bridge) const;
  void collect_orphans();                                         // at start: services of bridges that are gone
  std::shared_ptr<void> watch(Notice&);

 private:
  std::vector<Neighbour> neighbours(const Resource& bridge) const;

  Catalog& catalog_;
  Helpers& helpers_;
};

}  // namespace sovirt
