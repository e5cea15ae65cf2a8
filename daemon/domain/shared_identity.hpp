#pragma once
#include <vector>

#include "api/resource.hpp"
#include "daemon/domain/catalog.hpp"

namespace sovirt {

// A copy that keeps its original's fixed MAC or address does not hold them: the claim stays with whoever has it, and
// the two cannot run at the same time. Which ones these are is kept in its facts.
std::vector<Claim> shared_claims(const Resource&);
void set_shared_claims(Json& facts, const std::vector<Claim>&);

// All MACs and addresses that its NICs have, shared or not.
std::vector<Claim> nic_claims(const Resource& container);

// Those shared ones that the spec still names and somebody else still holds: the others are its own now.
std::vector<Claim> still_shared(const Resource& wanted, const Catalog&);
// Throws Error{duplicate} naming a running container with the same MAC or address.
void check_alone(const Resource& container, const Catalog&);
// [{"type","value","with":["container/web"]}], for its status
Json show_shared(const Resource& container, const Catalog&);

}  // namespace sovirt
