#pragma once
#include <string>
#include <vector>

#include "api/container.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt {

// The spec of a container with the addresses that "auto" stands for, which are kept among its facts.
ContainerSpec container_spec_of(const Resource& container);

// The number in the names of a NIC's things. It stays with the NIC when others before it go; which one it is, is kept
// among the container's facts where it is not simply the NIC's place in the list.
std::size_t nic_slot(const Resource& container, const std::string& nic, std::size_t index);
void keep_nic_slots(Resource& wanted, const Resource* before);
std::string nic_host_name(const Resource& container, const std::string& nic, std::size_t index);
// The mark of both of its ends, without the prefix: "<uid>:<host name>".
std::string nic_mark(const Resource& container, const std::string& nic, std::size_t index);
std::string nic_mark(const Json& args);   // of nic_args below

// The MAC of a container's NIC: the spec's, or the one generated for it.
Mac nic_mac(const Resource& container, const NicSpec&);
// Everything the kernel needs for one NIC, as the args of a step. `mtu`, `isolated`: the bridge's.
Json nic_args(const Resource& container, const NicSpec&, std::size_t index, unsigned mtu, bool isolated);
NicPlug read_nic_args(const Json&, int netns);

}  // namespace sovirt
