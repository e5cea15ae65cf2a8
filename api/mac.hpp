#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sovirt {

// An IEEE 802 address. Text: six two-digit hex groups with colons, any case in, lower case out.
class Mac {
 public:
  static std::optional<Mac> parse(std::string_view text) noexcept;
  // The same for the same text, locally administered. 0xfe in front, as libvirt has it: a bridge that picks the lowest MAC
  // of its ports for its own takes no such one.
  static Mac derived(std::string_view text) noexcept;
  static Mac random_local();  // locally administered, unicast; from getrandom(2)
  explicit Mac(const std::array<std::uint8_t, 6>& bytes) noexcept : bytes_(bytes) {}
  bool multicast() const noexcept { return (bytes_[0] & 1) != 0; }
  bool zero() const noexcept { return bytes_ == std::array<std::uint8_t, 6>{}; }
  const std::array<std::uint8_t, 6>& bytes() const noexcept { return bytes_; }
  std::string text() const;
  auto operator<=>(const Mac&) const = default;

 private:
  std::array<std::uint8_t, 6> bytes_;
};

}  // namespace sovirt
