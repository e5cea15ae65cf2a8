#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/cidr.hpp"
#include "api/json.hpp"

namespace sovirt {

// What a link of the host has that a bridge takes over with it, as the kernel told it, so that it can be given back to
// the last metric. The texts are of the kernel's adapter; nobody else reads into them.
struct Belongings {
  std::vector<Cidr> addresses;             // what `address_data` holds, for those who look
  std::vector<std::string> address_data;
  std::vector<std::string> route_data;     // in an order in which they can be added
  bool empty() const noexcept { return address_data.empty() && route_data.empty(); }
};
Json write_belongings(const Belongings&);
Belongings read_belongings(const Json&);

// Addresses and routes of the host's links, from one link to another. Thread-safe; each call is a few netlink exchanges.
class Uplinks {
 public:
  virtual ~Uplinks() = default;
  // All but what the kernel makes by itself: link-local addresses and their routes. Error{not_found}: no such link.
  virtual Belongings belongings(std::string_view link) = 0;
  virtual void give(std::string_view link, const Belongings&) = 0;   // repeated: no error. Throws Error at the first refusal
  virtual void take(std::string_view link, const Belongings&) = 0;   // what is not there is no error
  // Only the routes whose gateway lies in one of these subnets.
  virtual Belongings reachable(const Belongings&, const std::vector<Cidr>& subnets) const = 0;
};

}  // namespace sovirt
