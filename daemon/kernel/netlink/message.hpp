#pragma once
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/kernel/netlink/handles.hpp"

namespace sovirt::netlink {

// Who made a route, in its own words: a number that neither the kernel nor iproute2 (rt_protos) gives to anybody.
constexpr std::uint8_t our_route_protocol = 83;

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

// rtnetlink messages of libnl, joined to be sent as one datagram: libnl sends each in a datagram of its own, and what
// must happen together could come apart there.
class Batch {
 public:
  // Begins a message; every attribute put afterwards is its. All throw Error{invalid} if it does not fit in a page.
  template <class Header>
  void begin(std::uint16_t type, std::uint16_t flags, const Header& header) {
    begin_message(type, flags);
    append(&header, sizeof header);
  }
  void put(std::uint16_t attribute, BytesView value);
  void put_text(std::uint16_t attribute, std::string_view text);  // with the NUL the kernel wants
  template <class Integer>
  void put_number(std::uint16_t attribute, Integer value) {
    std::uint8_t raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    put(attribute, raw);
  }
  // An attribute whose value is what `fill` puts (and appends).
  template <class Fill>
  void nest(std::uint16_t attribute, Fill fill) {
    nlattr* const start = open_attribute(attribute);
    fill();
    close_attribute(start);
  }
  void append(const void* data, std::size_t size);  // raw, padded to 4 bytes

  std::size_t count() const noexcept { return messages_.size(); }
  // Numbers the messages from `first_sequence` on; only the last asks for an acknowledgement (errors come anyway).
  BytesView finish(std::uint32_t first_sequence);

 private:
  void begin_message(std::uint16_t type, std::uint16_t flags);
  nlattr* open_attribute(std::uint16_t attribute);
  void close_attribute(nlattr* start);
  nl_msg* current() const noexcept { return messages_.back().get(); }

  std::vector<MessagePtr> messages_;
  Bytes joined_;
};

std::optional<BytesView> find_attribute(BytesView bytes, std::uint16_t wanted);  // the first of that type

// The value at the front of the bytes; zero where there are too few.
template <class Value>
Value value_of(BytesView bytes) {
  Value value{};
  if (bytes.size() >= sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}
std::string text_of(BytesView bytes);  // up to the first NUL

// What lies behind the fixed header of an answer.
template <class Header>
BytesView attributes_behind(BytesView payload) {
  constexpr std::size_t size = NLMSG_ALIGN(sizeof(Header));
  return payload.size() > size ? payload.subspan(size) : BytesView{};
}

}  // namespace sovirt::netlink
