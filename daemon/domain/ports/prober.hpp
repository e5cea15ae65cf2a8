#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/cidr.hpp"
#include "api/mac.hpp"

namespace sovirt {

struct ProbeAnswer {
  std::optional<std::chrono::nanoseconds> rtt;   // nullopt: it did not come through
  int error = 0;                                 // errno the kernel or the peer answered with, 0: silence
};

// The way that a namespace's kernel would send to an address.
struct ProbeRoute {
  int error = 0;                     // ENETUNREACH and so on: there is none
  std::string dev;
  std::optional<IpAddress> via, source;
  bool local = false;                // the address is this namespace's own
};

// A packet as a firewall sees it.
struct ProbePacket {
  std::optional<IpAddress> from;
  IpAddress to = IpAddress::v4({});
  std::uint16_t from_port = 0, to_port = 0;   // of tcp, 0: any
  bool tcp = false, reply = false;            // reply: of a connection that is known
  std::string in, out;                        // interfaces, "" where there is none
};

// What the rules of a namespace do to it.
struct DropRule {
  std::string chain;                 // "inet filter input"
  std::string detail;                // "policy drop", or the rule
  bool rejects = false;              // it answers, instead of being silent
};

struct AddressHolder {
  IpAddress address;
  Mac mac{{}};
};

// Packets out of a network namespace, -1 the host's, and what may stand in their way. Thread-safe. Throws Error.
class Prober {
 public:
  virtual ~Prober() = default;
  virtual ProbeAnswer ping(int netns, const IpAddress& to, std::chrono::milliseconds limit) = 0;
  virtual ProbeAnswer connect(int netns, const IpAddress& to, std::uint16_t port, std::chrono::milliseconds limit) = 0;
  virtual ProbeRoute route_to(int netns, const IpAddress& to) = 0;
  // Of the chains on `hook` ("input", "forward", "output"): nullopt, it passes, or there are no rules to be read.
  virtual std::optional<DropRule> dropped_by(int netns, const std::string& hook, const ProbePacket&) = 0;
  // Asks on the wire whether somebody has one of these addresses already (RFC 5227, RFC 4862), without using it, by an
  // interface of the host. nullopt: nobody has answered within 200 ms, or the interface is down.
  virtual std::optional<AddressHolder> holder_of(const std::string& interface, const std::vector<IpAddress>&) = 0;
};

}  // namespace sovirt
