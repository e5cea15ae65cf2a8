#pragma once
#include <string>

#include "api/json.hpp"
#include "daemon/base/error.hpp"

namespace sovirt {

// RFC 9457, media type application/problem+json. `instance` is the request's target.
Json write_problem(const Error&, const std::string& instance, const std::string& request_id);
// For the client and for stored operations. Never throws: what is missing becomes `internal`.
Error read_problem(const Json&);

}  // namespace sovirt
