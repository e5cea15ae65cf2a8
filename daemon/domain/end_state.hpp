#pragma once
#include <string>

#include "api/json.hpp"
#include "daemon/domain/ports/link_ends.hpp"

namespace sovirt {

// The end of a link as the args of a step hold it.
Json write_end_state(const EndState&);
EndState read_end_state(const Json&);
// What differs, in words: "mtu 1400, up"; "" if nothing does.
std::string end_difference(const EndState& is, const EndState& wanted);

}  // namespace sovirt
