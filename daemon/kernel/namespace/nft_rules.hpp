#pragma once
#include <optional>
#include <string>

#include "api/json.hpp"
#include "daemon/domain/ports/prober.hpp"

namespace sovirt::netns {

// What a ruleset, as `nft -j list ruleset` prints it, does to a packet on a hook. A match that is beyond this reading counts
// as one that does not hold, so that no rule is blamed without need.
std::optional<DropRule> find_drop(const Json& ruleset, const std::string& hook, const ProbePacket&);

}  // namespace sovirt::netns
