#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sovirt {

// A request target, cut but not decoded: a segment is decoded only where it is a parameter of a route, so that
// nothing decoded can ever become a separator.
struct Target {
  std::string_view path;                       // "/v1/bridges/br0"; "*" for OPTIONS *
  std::vector<std::string_view> segments;      // "v1","bridges","br0"
  std::string_view query;                      // after "?", "" if none
};

// `text` in origin form, absolute form of http (its authority is ignored: the socket is the authority) or "*".
// Throws Error{malformed} for anything else, and for bytes RFC 3986 does not know.
Target split_target(std::string_view method, std::string_view text);

// Throws Error{bad_name} for a bad escape, NUL and an encoded slash.
std::string decode_segment(std::string_view);

// "a=1&b" to pairs, decoded, "+" being a space. Throws Error{bad_query} for a bad escape, NUL and an empty key.
std::vector<std::pair<std::string, std::string>> split_query(std::string_view);

}  // namespace sovirt
