#pragma once
#include <string>
#include <vector>

#include "api/bridge.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/plan.hpp"
#include "daemon/domain/ports/network_kernel.hpp"
#include "daemon/domain/ports/uplinks.hpp"

namespace sovirt {

// Interfaces of the host as ports of a bridge. A port gives up its addresses and routes: they are the bridge's as long
// as it is one (address_from "port"), or wait in the bridge's facts until it is none. Thread-safe.
class BridgeUplinks {
 public:
  BridgeUplinks(NetworkKernel& network, Uplinks& uplinks) : network_(network), uplinks_(uplinks) {}

  // Facts: what each port has of its own, and the MAC of the first, by which neighbours know the host already.
  void complete(Resource& wanted, const BridgeSpec&, const Resource* before) const;
  // Throws Error for a port that is absent, another's, or a bridge.
  void check(const Resource& wanted, const BridgeSpec&) const;
  void plan_leave(const Resource& wanted, const Entry* before, Plan&) const;
  // Throws Error{conflict} as long as a port is absent.
  void plan_join(const Resource& wanted, const BridgeSpec&, const LinkState* bridge, Plan&) const;
  void plan_removal(const Resource&, Plan&) const;
  ActionTable actions();

 private:
  Json join_args(const Resource& bridge, const BridgeSpec&, const std::string& port, const Json& had) const;
  Json leave_args(const Resource& bridge, const std::string& port) const;
  void join(const Json& args);
  void leave(const Json& args);

  NetworkKernel& network_;
  Uplinks& uplinks_;
};

}  // namespace sovirt
