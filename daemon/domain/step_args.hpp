#pragma once
#include <string>

#include "api/json.hpp"

namespace sovirt {

// One of the args of a step. They are our own: an absent one is a bug, and throws what nlohmann-json throws.
std::string text(const Json& args, const char* key);

}  // namespace sovirt
