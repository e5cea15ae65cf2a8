#pragma once
#include <memory>

#include "daemon/domain/ports/uplinks.hpp"

namespace sovirt {

// Of the network namespace of whoever calls it.
std::unique_ptr<Uplinks> make_uplinks();

}  // namespace sovirt
