#pragma once
#include <functional>
#include <memory>
#include <string>

namespace sovirt::filter {

// PacketFilter::watch: nfnetlink's group of nftables, and the kernel's word on the forwarding switches.
std::shared_ptr<void> watch_filter(std::string table, std::function<void()> changed);

}  // namespace sovirt::filter
