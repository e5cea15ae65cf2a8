#pragma once
#include <memory>

#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt::netlink {

// NetworkKernel::watch. The listener must not throw; the handle may die inside it. Throws Error.
std::shared_ptr<void> watch_links(NetworkKernel::Listener listener);

}  // namespace sovirt::netlink
