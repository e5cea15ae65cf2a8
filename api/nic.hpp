#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/cidr.hpp"
#include "api/json.hpp"
#include "api/mac.hpp"
#include "api/publish.hpp"
#include "api/rate.hpp"

namespace sovirt {

class ObjectReader;

// What the other end of a NIC that leads into a namespace is there.
struct NicPeer {
  std::string name;               // "": made up and kept
  std::vector<Cidr> addresses;
  bool operator==(const NicPeer&) const = default;
};

// An interface of a container. Its other end is a port of a bridge, in a named network namespace, or ("none") on the
// host without being a port of anything.
struct NicSpec {
  std::string name = "eth0";          // 1..15 bytes, an interface name
  std::optional<std::string> bridge, netns;   // neither: unconnected
  NicPeer peer;                       // with netns
  std::optional<Mac> mac;             // generated and kept when absent
  std::vector<Cidr> addresses;
  bool automatic = false;             // "auto" among the addresses: a free one of the bridge's subnet, decided once
  std::optional<IpAddress> gateway;   // must lie in one of the addresses' subnets
  unsigned mtu = 0;                   // 0: the bridge's, 1500 without a bridge
  bool dhcp = false;                  // a client outside of the container asks for an address
  RateSpec rate;
  std::vector<PublishSpec> publish;   // ports of the host that lead to it
  bool operator==(const NicSpec&) const = default;
};

// The field `nics`; wrong ones go to the reader's errors.
std::vector<NicSpec> read_nics(ObjectReader& container);
Json write_nics(const std::vector<NicSpec>&);

}  // namespace sovirt
