#pragma once
#include <cstdint>
#include <string>

#include "api/json.hpp"

namespace sovirt::ctl {

// "netns=nsserver,name=vethsrv,address=10.10.10.1/24,…"; `address` may be there several times. Throws UsageError.
Json endpoint_of(const std::string& text);
// Of bits in a second, in tens: "10M" is 10,000,000. 0 and "none" are null: no limit. Throws UsageError.
Json rate_of(const std::string& option, const std::string& text);

}  // namespace sovirt::ctl
