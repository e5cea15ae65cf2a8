#pragma once
#include <memory>
#include <string>

#include "daemon/domain/ports/packet_filter.hpp"

namespace sovirt {

struct PacketFilterOptions {
  std::string instance;   // makes the table's name: "sovirt-" + instance, of family inet
  std::string record;     // file that keeps which switches of the host were switched on
};

// By nft(8), one run a change; see the ADR on nftables.
std::unique_ptr<PacketFilter> make_packet_filter(const PacketFilterOptions&);

}  // namespace sovirt
