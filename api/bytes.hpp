#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sovirt {

// Sizes and durations as people write them, for the client: "512M", "1.5G", "64KiB", "10s", "2m", "500ms".
// Binary multiples. nullopt for what does not parse or does not fit.
std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept;
std::string bytes_text(std::uint64_t bytes);  // "512.0M", "1.2G", "17B"
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) noexcept;
std::string duration_text(std::chrono::nanoseconds);  // "3d4h", "12m", "4.2s", "850ms"

}  // namespace sovirt
