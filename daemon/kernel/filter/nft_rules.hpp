#pragma once
#include <string>

#include "api/json.hpp"
#include "daemon/domain/ports/packet_filter.hpp"

namespace sovirt::filter {

// The table as libnftables-json(5) has it, without handles: {"chains":{NAME:{"chain":{…},"rules":[…]}}}.
// Each rule's comment says what it is for, and ends in a digest of the rule, by which a listing is compared: nft writes
// the same expression in other words from version to version.
Json table_of(const FilterRules&);
// The transaction that puts `table` in the place of whatever has that name; a null table removes it.
Json replacement(const std::string& name, const Json& table);
// True if the answer of `nft -j list table` shows this table and nothing beside.
bool shows(const Json& listing, const Json& table);

}  // namespace sovirt::filter
