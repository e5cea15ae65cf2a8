#include "api/mac.hpp"

#include <cstdio>
#include <sys/random.h>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<Mac> Mac::parse(std::string_view text) noexcept {
  if (text.size() != 17) return std::nullopt;
  std::array<std::uint8_t, 6> bytes{};
  for (std::size_t i = 0; i < 6; ++i) {
    const int high = hex_digit(text[i * 3]), low = hex_digit(text[i * 3 + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[i * 3 + 2] != ':')) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return Mac{bytes};
}

Mac Mac::derived(std::string_view text) noexcept {
  std::uint64_t hash = 14695981039346656037ULL;   // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  std::array<std::uint8_t, 6> bytes{0xfe};
  for (unsigned i = 1; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(hash >> (8 * i));
  return Mac{bytes};
}

Mac Mac::random_local() {
  std::array<std::uint8_t, 6> bytes{};
  // Up to 256 bytes are never cut short, and the flag-less call only waits in the first seconds of a boot.
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) throw errno_error("getrandom");
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & ~1u) | 2u);
  return Mac{bytes};
}

std::string Mac::text() const {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", bytes_[0], bytes_[1], bytes_[2], bytes_[3],
                bytes_[4], bytes_[5]);
  return text.data();
}

}  // namespace sovirt
