#pragma once
#include <netlink/attr.h>

#include <array>
#include <cstddef>

#include "daemon/kernel/netlink/message.hpp"

namespace sovirt::netlink {

template <int most>
using Policy = std::array<nla_policy, most + 1>;

// The attributes of a message or of a nest by their type. What the policy says of an attribute holds for all that are
// found here; one that breaks it, which the kernel does not send, ends the reading like a length that lies.
template <int most>
class Attributes {
 public:
  Attributes(BytesView bytes, const Policy<most>& policy) {
    // libnl's table is not const, but nothing is written through it.
    auto* head = reinterpret_cast<nlattr*>(const_cast<std::uint8_t*>(bytes.data()));
    ::nla_parse(table_.data(), most, head, static_cast<int>(bytes.size()), policy.data());
  }
  Attributes(nlattr* nest, const Policy<most>& policy) { ::nla_parse_nested(table_.data(), most, nest, policy.data()); }

  nlattr* operator[](std::size_t type) const { return table_.at(type); }  // nullptr: not there

 private:
  std::array<nlattr*, most + 1> table_;  // nla_parse clears it
};

inline BytesView bytes_of(const nlattr* attribute) {
  return {static_cast<const std::uint8_t*>(::nla_data(attribute)), static_cast<std::size_t>(::nla_len(attribute))};
}

}  // namespace sovirt::netlink
