#pragma once
#include <optional>
#include <string>
#include <vector>

#include "daemon/domain/catalog.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/netns_rules.hpp"

namespace sovirt {

// A network namespace as a place a packet can be in: the host's, a netns or a running container's.
struct Spot {
  std::string where;                  // "host", "netns/nsserver", "container/web"
  unique_fd netns;                    // none: the host's
  std::vector<Interface> interfaces;
  std::vector<std::string> segments;  // of each of them: equal where a frame gets from one to the other, "" unknown

  const Interface* named(const std::string& name) const;
  const Interface* holding(const IpAddress&) const;
};

std::vector<Spot> all_spots(Catalog&, const NetnsRules&, const KernelPorts&);
bool has_address(const Interface&, bool v6);   // other than the link-local ones

}  // namespace sovirt
