#include "api/bytes.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

namespace sovirt {
namespace {

constexpr std::string_view prefixes = "KMGTPE";

bool digit(char c) noexcept { return c >= '0' && c <= '9'; }
char upper(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string_view take_digits(std::string_view& text) noexcept {
  std::size_t count = 0;
  while (count < text.size() && digit(text[count])) ++count;
  const auto taken = text.substr(0, count);
  text.remove_prefix(count);
  return taken;
}

struct Decimal {
  std::string_view whole, fraction;
};

// "1", "1.5"; not ".5", "1." or a sign.
std::optional<Decimal> take_decimal(std::string_view& text) noexcept {
  Decimal number{take_digits(text), {}};
  if (number.whole.empty()) return std::nullopt;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    number.fraction = take_digits(text);
    if (number.fraction.empty() || number.fraction.size() > 18) return std::nullopt;
  }
  return number;
}

// number × unit in integers, so that 1.1G is the same on every machine. unit is at most 2^60: ten of them fit.
std::optional<std::uint64_t> scale(const Decimal& number, std::uint64_t unit) noexcept {
  std::uint64_t whole = 0;
  for (const char c : number.whole) {
    if (__builtin_mul_overflow(whole, std::uint64_t{10}, &whole)) return std::nullopt;
    if (__builtin_add_overflow(whole, static_cast<std::uint64_t>(c - '0'), &whole)) return std::nullopt;
  }
  std::uint64_t part = 0;
  for (std::size_t i = number.fraction.size(); i-- > 0;)
    part = (part + static_cast<std::uint64_t>(number.fraction[i] - '0') * unit) / 10;
  std::uint64_t total = 0;
  if (__builtin_mul_overflow(whole, unit, &total) || __builtin_add_overflow(total, part, &total)) return std::nullopt;
  return total;
}

// "", "B", "K", "KB", "KiB" and so on; nullopt for anything else.
std::optional<std::uint64_t> byte_unit(std::string_view text) noexcept {
  if (text.empty() || text == "B" || text == "b") return 1;
  const auto power = prefixes.find(upper(text.front()));
  if (power == std::string_view::npos) return std::nullopt;
  text.remove_prefix(1);
  if (!text.empty() && text != "B" && text != "iB" && text != "b" && text != "ib" && text != "i") return std::nullopt;
  return std::uint64_t{1} << (10 * (power + 1));
}

struct Unit {
  std::string_view text;
  std::uint64_t nanoseconds;
};
// Largest first: the order in which they may follow each other in "1h30m".
constexpr std::array<Unit, 7> duration_units{{{"d", 86'400'000'000'000}, {"h", 3'600'000'000'000}, {"m", 60'000'000'000},
                                              {"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}, {"ns", 1}}};

std::size_t duration_unit(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < duration_units.size() && duration_units[i].text != text) ++i;
  return i;
}

std::string two_parts(std::uint64_t value, std::uint64_t small, const char* big_text, const char* small_text) {
  std::string text = std::to_string(value / small) + big_text;
  if (value % small != 0) text += std::to_string(value % small) + small_text;
  return text;
}

std::string one_decimal(double value, const char* unit) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f%s", value, unit);
  return text.data();
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept {
  const auto number = take_decimal(text);
  if (!number) return std::nullopt;
  const auto unit = byte_unit(text);
  if (!unit || (*unit == 1 && !number->fraction.empty())) return std::nullopt;
  return scale(*number, *unit);
}

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + "B";
  auto value = static_cast<double>(bytes) / 1024;
  std::size_t power = 0;
  // 1023.95 and more would print as 1024.0 of the smaller unit.
  while (std::round(value * 10) >= 10240 && power + 1 < prefixes.size()) {
    value /= 1024;
    ++power;
  }
  return one_decimal(value, std::string{prefixes[power]}.c_str());
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) noexcept {
  std::uint64_t total = 0;
  std::size_t next_unit = 0;
  bool first = true;
  do {
    const auto number = take_decimal(text);
    if (!number) return std::nullopt;
    std::size_t count = 0;
    while (count < text.size() && !digit(text[count])) ++count;
    // A bare number is seconds, as timeouts are everywhere else; within "1h30" it would be a guess.
    const auto unit = count == 0 && first ? duration_unit("s") : duration_unit(text.substr(0, count));
    if (unit >= duration_units.size() || unit < next_unit) return std::nullopt;
    text.remove_prefix(count);
    const auto part = scale(*number, duration_units[unit].nanoseconds);
    if (!part || __builtin_add_overflow(total, *part, &total)) return std::nullopt;
    next_unit = unit + 1;
    first = false;
  } while (!text.empty());
  if (total > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return std::chrono::nanoseconds{static_cast<std::int64_t>(total)};
}

std::string duration_text(std::chrono::nanoseconds duration) {
  if (duration.count() < 0) return "-" + duration_text(-duration);
  const auto nanoseconds = static_cast<std::uint64_t>(duration.count());
  const auto seconds = nanoseconds / 1'000'000'000;
  if (seconds >= 86'400) return two_parts(seconds / 3600, 24, "d", "h");
  if (seconds >= 3600) return two_parts(seconds / 60, 60, "h", "m");
  if (seconds >= 60) return two_parts(seconds, 60, "m", "s");
  if (seconds >= 1) return one_decimal(static_cast<double>(nanoseconds / 100'000'000) / 10, "s");
  if (nanoseconds >= 1'000'000) return std::to_string(nanoseconds / 1'000'000) + "ms";
  if (nanoseconds >= 1'000) return std::to_string(nanoseconds / 1'000) + "us";
  return nanoseconds == 0 ? "0s" : std::to_string(nanoseconds) + "ns";
}

}  // namespace sovirt
