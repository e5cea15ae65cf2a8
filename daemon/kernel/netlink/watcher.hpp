#pragma once
#include <memory>
#include <optional>

#include "daemon/domain/ports/network_kernel.hpp"
#include "daemon/kernel/netlink/handles.hpp"

struct nlmsghdr;

namespace sovirt::netlink {

// NetworkKernel::watch. The listener must not throw; the handle may die inside it. Throws Error.
std::shared_ptr<void> watch_links(NetworkKernel::Listener listener);

// A socket of the calling thread's namespace that hears of links and addresses, with `all` of routes, queueing
// disciplines and settings too. It does not block. Throws Error.
SocketPtr subscribe(bool all);
std::optional<LinkEvent> read_event(const nlmsghdr& message);

}  // namespace sovirt::netlink
