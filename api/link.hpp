#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/bridge.hpp"
#include "api/cidr.hpp"
#include "api/json.hpp"
#include "api/mac.hpp"
#include "api/rate.hpp"

namespace sovirt {

enum class LinkType { veth, vxlan, macvlan, dummy };
std::string_view link_type_text(LinkType) noexcept;

// Where an end of a link is. Of a bridge: on the host, as its port.
enum class Place { host, netns, bridge, container };
std::string_view place_text(Place) noexcept;   // "netns", the field's name

struct EndpointSpec {
  Place place = Place::host;
  std::string of;                     // name of the netns, bridge or container
  std::string name;                   // of the interface; "": made up and kept
  std::optional<Mac> mac;             // generated and kept when absent
  std::vector<Cidr> addresses;        // none on a port of a bridge
  unsigned mtu = 1500;
  bool up = true;
  RateSpec rate;
};

struct VxlanSpec {
  std::uint32_t id = 0;                    // VNI, 24 bits
  std::optional<IpAddress> remote, local;  // a unicast address or a group
  std::uint16_t port = 4789;
  std::string dev;                         // of the host; "" if none
};

struct LinkSpec {
  LinkType type = LinkType::veth;
  std::vector<EndpointSpec> endpoints;     // two of a veth, one of the others
  VxlanSpec vxlan;
  std::string parent, mode = "bridge";     // of a macvlan: an interface of the host; bridge|private|vepa|passthru
  Policy policy = Policy::repair;
};

// Throws Error{invalid} with every wrong field.
LinkSpec read_link_spec(const Json&);
Json write_link_spec(const LinkSpec&);

}  // namespace sovirt
