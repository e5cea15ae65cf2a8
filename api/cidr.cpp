#include "api/cidr.hpp"

#include <algorithm>
#include <arpa/inet.h>

namespace sovirt {
namespace {

// Decimal digits without leading zeros, at most `most`; nullopt otherwise.
std::optional<unsigned> small_number(std::string_view text, unsigned most) noexcept {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  unsigned value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value <= most ? std::optional{value} : std::nullopt;
}

// inet_pton(3) is not asked: it is laxer than the contract on some systems.
std::optional<IpAddress> parse_v4(std::string_view text) noexcept {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto dot = text.find('.');
    if ((i < 3) == (dot == std::string_view::npos)) return std::nullopt;
    const auto part = small_number(text.substr(0, dot), 255);
    if (!part) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(*part);
    text = i < 3 ? text.substr(dot + 1) : std::string_view{};
  }
  return IpAddress::v4(bytes);
}

std::optional<IpAddress> parse_v6(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (text.size() >= buffer.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::copy(text.begin(), text.end(), buffer.begin());
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET6, buffer.data(), bytes.data()) != 1) return std::nullopt;
  return IpAddress::v6(bytes);
}

bool bit(const IpAddress& address, unsigned index) noexcept {
  return ((address.bytes()[index / 8] >> (7 - index % 8)) & 1) != 0;
}

bool host_bits_all(const IpAddress& address, unsigned prefix, bool value) noexcept {
  for (unsigned i = prefix; i < address.size() * 8; ++i)
    if (bit(address, i) != value) return false;
  return true;
}

std::string_view unusable_v4(const IpAddress& address, unsigned prefix) noexcept {
  const auto first = address.bytes()[0];
  if (first == 0) return "0.0.0.0/8 means \"no address\"";
  if (first == 127) return "127.0.0.0/8 is the loopback";
  if (first >= 224 && first < 240) return "it is a multicast address";
  if (host_bits_all(address, 0, true)) return "it is the broadcast address of every network";
  if (prefix < 31 && host_bits_all(address, prefix, false)) return "it is the network's own address, not a host's";
  if (prefix < 31 && host_bits_all(address, prefix, true)) return "it is the network's broadcast address, not a host's";
  return {};
}

std::string_view unusable_v6(const IpAddress& address, unsigned prefix) noexcept {
  const auto* bytes = address.bytes();
  if (host_bits_all(address, 0, false)) return "it means \"no address\"";
  if (std::all_of(bytes, bytes + 15, [](auto b) { return b == 0; }) && bytes[15] == 1) return "it is the loopback";
  if (bytes[0] == 0xff) return "it is a multicast address";
  if (std::all_of(bytes, bytes + 10, [](auto b) { return b == 0; }) && bytes[10] == 0xff && bytes[11] == 0xff)
    return "it is an IPv4 address written as IPv6";
  if (prefix < 127 && host_bits_all(address, prefix, false)) return "it is the subnet-router anycast address, not a host's";
  return {};
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  return text.find(':') == std::string_view::npos ? parse_v4(text) : parse_v6(text);
}

IpAddress IpAddress::v4(const std::array<std::uint8_t, 4>& bytes) noexcept {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) noexcept {
  IpAddress address;
  address.v6_ = true;
  address.bytes_ = bytes;
  return address;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  // glibc's form is that of RFC 5952: lower case, the longest run of zeros shortened.
  ::inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), buffer.data(), buffer.size());
  return buffer.data();
}

std::optional<Cidr> Cidr::parse(std::string_view text) noexcept {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const auto prefix = small_number(text.substr(slash + 1), address->size() * 8);
  if (!prefix) return std::nullopt;
  return Cidr{*address, *prefix};
}

IpAddress Cidr::network() const noexcept {
  std::array<std::uint8_t, 16> bytes{};
  for (unsigned i = 0; i < address_.size(); ++i) {
    const unsigned kept = std::clamp(static_cast<int>(prefix_) - static_cast<int>(i * 8), 0, 8);
    bytes[i] = static_cast<std::uint8_t>(address_.bytes()[i] & (0xff00u >> kept));
  }
  if (address_.is_v6()) return IpAddress::v6(bytes);
  return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

std::string_view Cidr::unusable_for_host() const noexcept {
  if (prefix_ == 0) return "a prefix of 0 is every address there is";
  return address_.is_v6() ? unusable_v6(address_, prefix_) : unusable_v4(address_, prefix_);
}

bool Cidr::contains(const IpAddress& other) const noexcept {
  return other.is_v6() == address_.is_v6() && Cidr{other, prefix_}.network() == network();
}

bool Cidr::overlaps(const Cidr& other) const noexcept {
  return prefix_ <= other.prefix_ ? contains(other.address_) : other.contains(address_);
}

std::string Cidr::text() const { return address_.text() + "/" + std::to_string(prefix_); }

}  // namespace sovirt
