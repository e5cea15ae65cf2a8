#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace sovirt {

using Time = std::chrono::sys_time<std::chrono::microseconds>;
Time now() noexcept;                       // CLOCK_REALTIME
std::string rfc3339(Time);                 // "2026-11-23T12:00:00.123456Z"
std::optional<Time> parse_rfc3339(std::string_view) noexcept;

}  // namespace sovirt
