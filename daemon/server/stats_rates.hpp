#pragma once
#include <chrono>

#include "api/json.hpp"

namespace sovirt {

// What happened between two looks at the same group, as `rates` and `window` of the later one.
void add_rates(Json& last, const Json& first, std::chrono::nanoseconds between);

}  // namespace sovirt
