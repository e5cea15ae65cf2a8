// RFC 5227 (IPv4 address conflict detection), RFC 4862 5.4 (IPv6 duplicate address detection).
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "daemon/kernel/namespace/address_probe.hpp"

namespace sovirt::netns {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds patience{200}, pause{60};   // a probe every 60 ms, three of them
constexpr int probes = 3;
using Bytes = std::vector<std::uint8_t>;

void put(Bytes& out, const void* data, std::size_t size) {
  const auto* const bytes = static_cast<const std::uint8_t*>(data);
  out.insert(out.end(), bytes, bytes + size);
}

void put16(Bytes& out, std::uint16_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value & 0xffU));
}

Bytes frame(const std::array<std::uint8_t, 6>& to, const Mac& from, std::uint16_t type) {
  Bytes out;
  put(out, to.data(), to.size());
  put(out, from.bytes().data(), 6);
  put16(out, type);
  return out;
}

// "Who has it? Tell 0.0.0.0": nobody takes it for ours by being asked.
Bytes arp_probe(const Mac& from, const IpAddress& address) {
  Bytes out = frame({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, from, ETH_P_ARP);
  put16(out, ARPHRD_ETHER);
  put16(out, ETH_P_IP);
  out.push_back(6);
  out.push_back(4);
  put16(out, ARPOP_REQUEST);
  put(out, from.bytes().data(), 6);
  out.insert(out.end(), 10, 0);   // of sender 0.0.0.0, to an unknown MAC
  put(out, address.bytes(), 4);
  return out;
}

std::uint16_t checksum(const Bytes& pseudo_header, const Bytes& body) {
  std::uint32_t sum = 0;
  for (const Bytes* part : {&pseudo_header, &body})
    for (std::size_t i = 0; i + 1 < part->size(); i += 2) sum += static_cast<std::uint32_t>((*part)[i] << 8 | (*part)[i + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffffU) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum & 0xffffU);
}

// From ::, to the solicited-node multicast address of the one that is asked for.
Bytes neighbour_solicitation(const Mac& from, const IpAddress& address) {
  const std::uint8_t* const target = address.bytes();
  Bytes addresses(16, 0);
  const std::array<std::uint8_t, 13> group{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  put(addresses, group.data(), group.size());
  put(addresses, target + 13, 3);
  Bytes body{ND_NEIGHBOR_SOLICIT, 0, 0, 0, 0, 0, 0, 0};
  put(body, target, 16);
  Bytes pseudo = addresses;
  put16(pseudo, 0);
  put16(pseudo, static_cast<std::uint16_t>(body.size()));
  put16(pseudo, 0);
  put16(pseudo, IPPROTO_ICMPV6);
  const std::uint16_t sum = checksum(pseudo, body);
  body[2] = static_cast<std::uint8_t>(sum >> 8);
  body[3] = static_cast<std::uint8_t>(sum & 0xffU);
  Bytes out = frame({0x33, 0x33, 0xff, target[13], target[14], target[15]}, from, ETH_P_IPV6);
  const std::array<std::uint8_t, 4> version{0x60, 0, 0, 0};
  put(out, version.data(), version.size());
  put16(out, static_cast<std::uint16_t>(body.size()));
  out.push_back(IPPROTO_ICMPV6);
  out.push_back(255);
  put(out, addresses.data(), addresses.size());
  put(out, body.data(), body.size());
  return out;
}

// Whose frame says that it has `address`: any ARP of that sender, or a neighbour advertisement.
std::optional<Mac> claimed_by(const std::uint8_t* data, std::size_t size, const IpAddress& address) {
  std::array<std::uint8_t, 6> source{};
  std::memcpy(source.data(), data + 6, 6);
  if (!address.is_v6())
    return size >= 42 && data[12] == 0x08 && data[13] == 0x06 && std::memcmp(data + 28, address.bytes(), 4) == 0 ? std::optional{Mac{source}} : std::nullopt;
  const bool advert = size >= 78 && data[12] == 0x86 && data[13] == 0xdd && data[20] == IPPROTO_ICMPV6 && data[54] == ND_NEIGHBOR_ADVERT;
  return advert && std::memcmp(data + 62, address.bytes(), 16) == 0 ? std::optional{Mac{source}} : std::nullopt;
}

class Wire {
 public:
  explicit Wire(const std::string& interface) : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    if (!socket_) throw errno_error("socket", "AF_PACKET");
    ifreq request{};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    if (::ioctl(socket_.get(), SIOCGIFHWADDR, &request) != 0) throw errno_error("SIOCGIFHWADDR", interface);
    std::array<std::uint8_t, 6> mac{};
    std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
    own_ = Mac{mac};
    sockaddr_ll at{};
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(ETH_P_ALL);
    at.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) throw errno_error("bind", interface);
  }

  bool ask(const IpAddress& address) {
    const Bytes frame = address.is_v6() ? neighbour_solicitation(own_, address) : arp_probe(own_, address);
    return ::send(socket_.get(), frame.data(), frame.size(), 0) >= 0;
  }

  std::optional<AddressHolder> listen(Clock::time_point until, const std::vector<IpAddress>& addresses) {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
      if (left <= 0) return std::nullopt;
      pollfd wait{socket_.get(), POLLIN, 0};
      if (::poll(&wait, 1, static_cast<int>(left)) <= 0) continue;
      std::array<std::uint8_t, 256> frame{};
      const ssize_t size = ::recv(socket_.get(), frame.data(), frame.size(), 0);
      if (size < 14) {
        if (size < 0 && errno != EAGAIN && errno != EINTR) return std::nullopt;   // it went down
        continue;
      }
      for (const IpAddress& address : addresses)
        if (const auto mac = claimed_by(frame.data(), static_cast<std::size_t>(size), address); mac && *mac != own_) return AddressHolder{address, *mac};
    }
  }

 private:
  unique_fd socket_;
  Mac own_{{}};
};

}  // namespace

std::optional<AddressHolder> holder_of(const std::string& interface, const std::vector<IpAddress>& addresses) {
  Wire wire{interface};
  const auto start = Clock::now();
  for (int probe = 0; probe < probes; ++probe) {
    for (const IpAddress& address : addresses)
      if (!wire.ask(address)) return std::nullopt;
    const auto until = probe + 1 < probes ? start + (probe + 1) * pause : start + patience;
    if (const auto holder = wire.listen(until, addresses)) return holder;
  }
  return std::nullopt;
}

}  // namespace sovirt::netns
