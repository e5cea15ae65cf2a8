#pragma once
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.hpp"
#include "daemon/base/error.hpp"
#include "daemon/domain/ports/prober.hpp"

namespace sovirt::netns {

// As Prober::holder_of, in the calling thread's network namespace. Throws Error where the interface is not there.
std::optional<AddressHolder> holder_of(const std::string& interface, const std::vector<IpAddress>& addresses);

}  // namespace sovirt::netns
