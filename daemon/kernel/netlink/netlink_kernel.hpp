#pragma once
#include <memory>

#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt {

// The network of the namespace the calling thread is in; every thread that uses it must be in the same one.
std::unique_ptr<NetworkKernel> make_network_kernel();

}  // namespace sovirt
