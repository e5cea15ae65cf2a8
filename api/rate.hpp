#pragma once
#include <cstdint>

#include "api/json.hpp"

namespace sovirt {

class ObjectReader;

// bit/s; 0: no limit.
struct RateSpec {
  std::uint64_t egress = 0, ingress = 0;   // what the end sends, what it receives
  bool operator==(const RateSpec&) const = default;
};

// The field `rate`: {"egress","ingress"} in bit/s, null or absent: no limit.
RateSpec read_rate(ObjectReader&);
Json write_rate(const RateSpec&);

}  // namespace sovirt
