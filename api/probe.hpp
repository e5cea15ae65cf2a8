#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "api/cidr.hpp"
#include "api/json.hpp"
#include "api/link.hpp"

namespace sovirt {

// POST /v1/probes
struct ProbeRequest {
  bool tcp = false;                        // otherwise ping
  Place from = Place::host;                // host, netns or container
  std::string of;                          // its name
  IpAddress to = IpAddress::v4({});
  std::uint16_t port = 0;                  // of tcp
  std::chrono::milliseconds timeout{1000};
};
ProbeRequest read_probe_request(const Json&);   // throws Error{invalid} with every wrong field

}  // namespace sovirt
