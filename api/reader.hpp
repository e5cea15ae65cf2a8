#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/cidr.hpp"
#include "api/json.hpp"
#include "api/mac.hpp"
#include "daemon/base/error.hpp"

namespace sovirt {

struct ParseLimits {
  std::size_t bytes = 1 << 20;
  int depth = 32;
};

// Text to Json, strictly: valid UTF-8, no duplicate keys, no NUL in strings, no trailing bytes, depth
// within limits, numbers within double/int64/uint64. Throws Error{malformed} (too_large for the size) with
// the pointer of the offence in fields (code "duplicate-key", "depth", "syntax", "utf-8").
Json parse_json(std::string_view text, const ParseLimits& = {});

// Reads one JSON object field by field and collects every wrong field instead of stopping at the first.
//   ObjectReader in{body, "", errors};
//   spec.mtu = in.integer("mtu", 68, 65535).value_or(1500);
//   in.finish();          // every key not asked for is an "unknown-field"
// A key that is absent or null is nullopt. A child object's reader carries the pointer on.
class ObjectReader {
 public:
  ObjectReader(const Json& value, std::string pointer, std::vector<FieldError>& errors);

  bool has(std::string_view key) const;   // present and not null
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
  std::optional<std::uint64_t> unsigned_integer(std::string_view key, std::uint64_t most);
  std::optional<std::string> string(std::string_view key, std::size_t longest = 4096);
  std::optional<std::vector<std::string>> strings(std::string_view key, std::size_t most = 1024, std::size_t longest = 131072);
  std::optional<std::map<std::string, std::string>> string_map(std::string_view key, std::size_t most = 1024);
  std::optional<Cidr> cidr(std::string_view key);
  std::optional<std::vector<Cidr>> cidrs(std::string_view key, std::size_t most = 64);
  std::optional<IpAddress> address(std::string_view key);
  std::optional<Mac> mac(std::string_view key);
  // index of the text in choices, nullopt if absent; another text is a field error naming the choices
  std::optional<std::size_t> choice(std::string_view key, const std::vector<std::string_view>& choices);
  // calls read for the object at key, if it is there, then finish() on it
  bool object(std::string_view key, const std::function<void(ObjectReader&)>& read);
  // calls read for each object of the array at key, in order, then finish() on each
  bool objects(std::string_view key, std::size_t most, const std::function<void(ObjectReader&, std::size_t)>& read);
  const Json* raw(std::string_view key);  // any value, marked as known; nullptr if absent or null
  void fail(std::string_view key, std::string code, std::string detail);  // "" for the object itself
  void fail_in(std::string_view key, std::string_view member, std::string code, std::string detail);  // of the array or object at key
  void require(std::string_view key);     // "required" unless has(key)
  std::string pointer(std::string_view key) const;
  // Refuses the field unless it is absent, null or its default: part of the contract, but not of this version.
  void not_yet(std::string_view key, const Json& contract_default);
  void finish();                          // a second call does nothing

 private:
  const Json* find(std::string_view key);
  const Json* value_;
  std::string pointer_;
  std::vector<FieldError>* errors_;
  std::vector<std::string> known_;
  bool finished_ = false;
};

// A key as part of a JSON pointer: "a/b" is "a~1b" (RFC 6901).
std::string pointer_token(std::string_view key);

// Throws Error{invalid} with all of them, unless empty.
void throw_if_any(std::vector<FieldError> errors);

// RFC 7396.
Json merge_patch(Json target, const Json& patch);

}  // namespace sovirt
