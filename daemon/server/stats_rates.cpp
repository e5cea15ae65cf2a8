#include "daemon/server/stats_rates.hpp"

#include <nlohmann/json.hpp>

namespace sovirt {
namespace {

// nullptr where one of the looks has no number, or the counter began anew.
Json growth(const Json& last, const Json& first, const char* pointer, double per) {
  const Json::json_pointer at{pointer};
  if (!last.contains(at) || !first.contains(at) || !last.at(at).is_number() || !first.at(at).is_number()) return nullptr;
  const double now = last.at(at).get<double>(), before = first.at(at).get<double>();
  return now < before ? Json(nullptr) : Json((now - before) / per);
}

}  // namespace

void add_rates(Json& last, const Json& first, std::chrono::nanoseconds between) {
  const auto nanoseconds = static_cast<double>(between.count());
  const double seconds = nanoseconds / 1e9;
  last["window"] = between.count();
  last["rates"] = {{"cpus", growth(last, first, "/cpu/usage_ns", nanoseconds)},
                   {"throttled", growth(last, first, "/cpu/throttled_ns", nanoseconds)},
                   {"page_faults", growth(last, first, "/memory/page_faults", seconds)},
                   {"read_bytes", growth(last, first, "/io/read_bytes", seconds)},
                   {"write_bytes", growth(last, first, "/io/write_bytes", seconds)},
                   {"read_operations", growth(last, first, "/io/read_operations", seconds)},
                   {"write_operations", growth(last, first, "/io/write_operations", seconds)}};
}

}  // namespace sovirt
