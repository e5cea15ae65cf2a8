#pragma once
#include <string_view>

#include "api/json.hpp"

namespace sovirt {

// "TERM", "SIGTERM", "RTMIN+3" or a number. 0: none of these.
int signal_number(std::string_view text) noexcept;
int read_signal_number(const Json&);   // the same, or a JSON number

}  // namespace sovirt
