#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "api/json.hpp"
#include "api/names.hpp"
#include "api/timestamp.hpp"

namespace sovirt {

using Labels = std::map<std::string, std::string>;

// What the database holds of an object. `spec` is in the form write_*_spec gives.
struct Resource {
  Kind kind{};
  std::string name;
  std::string uid;             // "<instance 8>-<random 12>", lower-case base32; never reused
  std::int64_t revision = 0;   // counts changes of this object, from 1
  Labels labels;
  Json spec;
  Json facts;                  // what sovirt decided and must keep: generated MACs, image digest; never shown raw
  Time created_at{}, updated_at{};
};

// The body of PUT and POST: the spec's fields with optional `labels` (and, for POST, `name`) beside them.
struct ResourceBody {
  std::string name;    // "" if the body has none
  Labels labels;
  Json spec;           // the rest, not yet read
};
ResourceBody split_body(const Json& body);   // throws Error{invalid}

// Label keys and values: 1..63 bytes of [A-Za-z0-9._/-], values may be empty.
Labels read_labels(const Json&);

// {"kind","name","uid","revision","labels","created_at","updated_at","spec","status"}
Json write_resource(const Resource&, Json status);

}  // namespace sovirt
