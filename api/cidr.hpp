#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sovirt {

// An IPv4 or IPv6 address. Text forms are strict: dotted quads without leading zeros, RFC 5952 out.
class IpAddress {
 public:
  static std::optional<IpAddress> parse(std::string_view text) noexcept;
  static IpAddress v4(const std::array<std::uint8_t, 4>&) noexcept;
  static IpAddress v6(const std::array<std::uint8_t, 16>&) noexcept;
  bool is_v6() const noexcept { return v6_; }
  const std::uint8_t* bytes() const noexcept { return bytes_.data(); }
  unsigned size() const noexcept { return v6_ ? 16 : 4; }
  std::string text() const;
  auto operator<=>(const IpAddress&) const = default;

 private:
  bool v6_ = false;
  std::array<std::uint8_t, 16> bytes_{};  // the first four for IPv4
};

// An address with its prefix length: "172.16.2.10/24".
class Cidr {
 public:
  // nullopt for anything but ADDRESS/PREFIX in strict form ("10.1/16", "010.0.0.1/24", "/33" are not).
  static std::optional<Cidr> parse(std::string_view text) noexcept;
  Cidr(IpAddress address, unsigned prefix) noexcept : address_(address), prefix_(prefix) {}
  const IpAddress& address() const noexcept { return address_; }
  unsigned prefix() const noexcept { return prefix_; }
  IpAddress network() const noexcept;
  // The IPv4 network or broadcast address of a prefix shorter than 31, the IPv6 subnet-router anycast
  // (all host bits zero, prefix shorter than 127), multicast, unspecified, loopback: no host may have it.
  // Returns the reason as text, or "" where the address can be a host's.
  std::string_view unusable_for_host() const noexcept;
  bool contains(const IpAddress&) const noexcept;   // same family and within the prefix
  bool overlaps(const Cidr&) const noexcept;
  std::string text() const;
  auto operator<=>(const Cidr&) const = default;

 private:
  IpAddress address_;
  unsigned prefix_;
};

}  // namespace sovirt
