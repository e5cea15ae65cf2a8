#include <linux/if_addr.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "daemon/kernel/netlink/links.hpp"

namespace sovirt::netlink {
namespace {

void begin_address(Batch& batch, std::uint16_t type, std::uint16_t flags, int ifindex, const Cidr& cidr) {
  const IpAddress& address = cidr.address();
  ifaddrmsg head{};
  head.ifa_family = address.is_v6() ? AF_INET6 : AF_INET;
  head.ifa_prefixlen = static_cast<std::uint8_t>(cidr.prefix());
  head.ifa_index = static_cast<std::uint32_t>(ifindex);
  batch.begin(type, flags, head);
  batch.put(IFA_LOCAL, {address.bytes(), address.size()});
  batch.put(IFA_ADDRESS, {address.bytes(), address.size()});
}

std::array<std::uint8_t, 4> broadcast_of(const Cidr& cidr) {
  std::array<std::uint8_t, 4> out;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned network_bits = std::clamp(static_cast<int>(cidr.prefix()) - static_cast<int>(8 * i), 0, 8);
    out[i] = static_cast<std::uint8_t>(cidr.address().bytes()[i] | (0xffU >> network_bits));
  }
  return out;
}

std::string context_of(std::string_view link, const Cidr& cidr) { return cidr.text() + " on " + std::string{link}; }

}  // namespace

std::vector<Cidr> addresses_of(Socket& socket, int ifindex) {
  std::vector<Cidr> out;
  for (const auto& record : dump_addresses(socket, ifindex)) out.push_back(record.cidr);
  return out;
}

void put_new_address(Batch& batch, int ifindex, const Cidr& cidr) {
  begin_address(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, cidr);
  // Duplicate address detection keeps an address unusable for a second or more, on a bridge without ports
  // for ever; the store sees to it that no address is given twice.
  if (cidr.address().is_v6()) batch.put_number<std::uint32_t>(IFA_FLAGS, IFA_F_NODAD);
  else if (cidr.prefix() < 31) batch.put(IFA_BROADCAST, broadcast_of(cidr));
}

bool address_added(const Outcome& outcome, std::string_view link, const Cidr& cidr) {
  if (outcome.error == EEXIST) return false;
  const bool v6_off = cidr.address().is_v6() && (outcome.error == EACCES || outcome.error == EOPNOTSUPP);
  if (v6_off) {
    throw Error{Code::unsupported, context_of(link, cidr) + ": IPv6 is switched off there"}
        .with_errno(outcome.error, "RTM_NEWADDR")
        .with_hint("look at the sysctl net.ipv6.conf." + std::string{link} + ".disable_ipv6 and the kernel's command line");
  }
  expect(outcome, "RTM_NEWADDR", context_of(link, cidr));
  return true;
}

bool add_address(Socket& socket, std::string_view link, const Cidr& cidr) {
  const int ifindex = require_link(socket, link).state.ifindex;
  Batch batch;
  put_new_address(batch, ifindex, cidr);
  const auto outcome = socket.transact(batch).front();
  if (address_added(outcome, link, cidr)) return true;
  // To IPv6 the same address with another prefix length is the same address.
  const auto there = addresses_of(socket, ifindex);
  if (std::find(there.begin(), there.end(), cidr) != there.end()) return false;
  throw kernel_error(EEXIST, "RTM_NEWADDR", context_of(link, cidr), "it is there with another prefix length");
}

bool remove_address(Socket& socket, std::string_view link, const Cidr& cidr) {
  const auto found = get_link(socket, link);
  if (!found) return false;
  Batch batch;
  begin_address(batch, RTM_DELADDR, 0, found->state.ifindex, cidr);
  const auto outcome = socket.transact(batch).front();
  // ENXIO is the answer of IPv6 where it is switched off on the link.
  if (outcome.error == EADDRNOTAVAIL || outcome.error == ENODEV || outcome.error == ENXIO) return false;
  expect(outcome, "RTM_DELADDR", context_of(link, cidr));
  return true;
}

}  // namespace sovirt::netlink
