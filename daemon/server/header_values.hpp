#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sovirt {

// Values of header fields and query parameters, read strictly.

// If-Match and If-None-Match (RFC 9110, 13.1). `revisions` are those tags that can be ours: strong, decimal.
struct EntityTags {
  bool any = false;                       // "*"
  std::vector<std::int64_t> revisions;
  std::vector<std::int64_t> weak;         // W/"3": equal for If-None-Match, never for If-Match
  std::size_t foreign = 0;                // tags that are none of ours
};
EntityTags read_entity_tags(std::string_view field, std::string_view value);  // throws Error{malformed}
std::string entity_tag(std::int64_t revision);                                // "\"3\""

// Is `type` ("application/json") among what Accept takes? RFC 9110, 12.5.1; what is not syntax takes nothing.
bool accepts(std::string_view accept, std::string_view type);
// "application/json; charset=utf-8" -> "application/json"; "" for another charset or bad syntax.
std::string media_type(std::string_view content_type);

// Prefer: wait=N (RFC 7240), at most 300; a preference that is not understood is ignored, as the RFC asks.
std::optional<std::chrono::seconds> preferred_wait(std::string_view prefer);

// Query parameters; throw Error{bad_query} naming the key.
std::uint64_t read_number(std::string_view key, std::string_view text, std::uint64_t least, std::uint64_t most);
bool read_flag(std::string_view key, std::string_view text);                                     // "true", "false", "" is true
std::chrono::milliseconds read_wait(std::string_view key, std::string_view text);                // "30s", "30", at most 300 s

}  // namespace sovirt
