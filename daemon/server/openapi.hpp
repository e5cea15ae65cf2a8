#pragma once
#include <string>

#include "api/json.hpp"

namespace sovirt {

class Router;

// OpenAPI 3.1 of the routes that dispatch.
Json write_openapi(const Router&, const std::string& version);

}  // namespace sovirt
