#pragma once
#include <cstdint>
#include <vector>

#include "api/json.hpp"

namespace sovirt {

class ObjectReader;

// A port of the host that leads to one of a container's NIC: {"host_port":8080,"port":80,"protocol":"tcp"|"udp"}.
struct PublishSpec {
  std::uint16_t host_port = 0;   // 1..65535
  std::uint16_t port = 0;        // in the container, the same as on the host when absent
  bool udp = false;
  bool operator==(const PublishSpec&) const = default;
};

// The field `publish` of a NIC; wrong ones go to the reader's errors.
std::vector<PublishSpec> read_publish(ObjectReader& nic);
Json write_publish(const std::vector<PublishSpec>&);

}  // namespace sovirt
