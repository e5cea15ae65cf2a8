#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/bridge.hpp"
#include "api/cidr.hpp"
#include "api/json.hpp"

namespace sovirt {

struct RouteSpec {
  std::optional<Cidr> to;             // nullopt: the default route of via's family
  std::optional<IpAddress> via;
  std::optional<std::string> dev;     // via or dev is there
  bool is_v6() const noexcept { return to ? to->address().is_v6() : via && via->is_v6(); }
  std::string text() const;           // "10.0.0.0/8 via 10.1.0.1 dev eth0"
  bool operator==(const RouteSpec&) const = default;
};

struct NetnsSpec {
  bool adopt = true;                            // take over a namespace of this name that somebody else has pinned
  std::map<std::string, std::string> sysctls;   // "net.ipv4.ip_forward": "1"; only net.*
  std::vector<RouteSpec> routes;
  Policy policy = Policy::repair;
};

// Throws Error{invalid} with every wrong field.
NetnsSpec read_netns_spec(const Json&);
Json write_netns_spec(const NetnsSpec&);
RouteSpec read_route(const Json&);              // one that write_route made
Json write_route(const RouteSpec&);

// Part of the name of a setting that exists only while an interface of that name does: "eth0" of
// "net.ipv4.conf.eth0.rp_filter". "": it is there always.
std::string sysctl_interface(std::string_view key);


}  // namespace sovirt
