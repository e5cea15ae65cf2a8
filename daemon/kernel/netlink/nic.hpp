#pragma once
#include "daemon/domain/ports/network_kernel.hpp"
#include "daemon/kernel/netlink/socket.hpp"

namespace sovirt::netlink {

// NetworkKernel::plug. `host` is a socket of the namespace the bridge is in. Throws Error and has then made nothing.
void plug(Socket& host, const NicPlug& nic);

}  // namespace sovirt::netlink
