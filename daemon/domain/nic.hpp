#pragma once
#include <string>
#include <vector>

#include "api/container.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt {

// The MAC of a container's NIC: the spec's, or the one generated for it.
Mac nic_mac(const Resource& container, const NicSpec&);
// Everything the kernel needs for one NIC, as the args of a step. `mtu` is the bridge's.
Json nic_args(const Resource& container, const NicSpec&, std::size_t index, unsigned mtu);
NicPlug read_nic_args(const Json&, int netns);

}  // namespace sovirt
