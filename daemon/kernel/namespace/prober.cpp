#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <nlohmann/json.hpp>

#include "api/reader.hpp"
#include "daemon/kernel/namespace/address_probe.hpp"
#include "daemon/kernel/namespace/look.hpp"
#include "daemon/kernel/namespace/namespaces.hpp"
#include "daemon/kernel/namespace/nft_rules.hpp"
#include "daemon/kernel/netlink/namespaces.hpp"
#include "daemon/kernel/netlink/records.hpp"

namespace sovirt::netns {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t most_rules = 8 << 20;   // bytes of a ruleset that are read

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress address_of(const IpAddress& ip, std::uint16_t port) {
  SocketAddress out;
  if (ip.is_v6()) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, ip.bytes(), 16);
    std::memcpy(&out.storage, &v6, out.size = sizeof v6);
  } else {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, ip.bytes(), 4);
    std::memcpy(&out.storage, &v4, out.size = sizeof v4);
  }
  return out;
}

unique_fd socket_there(int netns, int family, int type, int protocol) {
  unique_fd fd;
  int number = 0;
  const auto open = [&] {
    fd.reset(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    number = errno;
  };
  if (netns < 0) open();
  else netlink::run_in(netns, open);
  if (!fd) throw errno_error(number, "socket");
  return fd;
}

int left_ms(Clock::time_point end) {
  return static_cast<int>(std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count()));
}

std::uint16_t checksum(const std::uint8_t* bytes, std::size_t size) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < size; i += 2) sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<std::uint16_t>(~sum));
}

// An echo request of 16 bytes; the kernel fills in the checksum of ICMPv6.
std::array<std::uint8_t, 16> echo(bool v6, std::uint16_t id, std::uint16_t sequence) {
  std::array<std::uint8_t, 16> packet{};
  packet[0] = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
  packet[4] = static_cast<std::uint8_t>(id >> 8);
  packet[5] = static_cast<std::uint8_t>(id);
  packet[6] = static_cast<std::uint8_t>(sequence >> 8);
  packet[7] = static_cast<std::uint8_t>(sequence);
  if (!v6) {
    const std::uint16_t sum = checksum(packet.data(), packet.size());
    std::memcpy(&packet[2], &sum, sizeof sum);
  }
  return packet;
}

bool is_answer(const std::uint8_t* bytes, std::size_t size, bool v6, std::uint16_t id) {
  std::size_t skip = 0;
  if (!v6) {
    if (size < 20) return false;
    skip = static_cast<std::size_t>(bytes[0] & 15) * 4;   // a raw socket of IPv4 hands over the header too
  }
  if (size < skip + 8) return false;
  const std::uint8_t* icmp = bytes + skip;
  return icmp[0] == (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) && (icmp[4] << 8 | icmp[5]) == id;
}

class KernelProber final : public Prober {
 public:
  ProbeAnswer ping(int netns, const IpAddress& to, std::chrono::milliseconds limit) override {
    const bool v6 = to.is_v6();
    const unique_fd socket = socket_there(netns, v6 ? AF_INET6 : AF_INET, SOCK_RAW, v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP));
    const int on = 1;
    ::setsockopt(socket.get(), v6 ? static_cast<int>(IPPROTO_IPV6) : static_cast<int>(IPPROTO_IP), v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof on);
    const SocketAddress address = address_of(to, 0);
    if (::connect(socket.get(), address.get(), address.size) != 0) return {std::nullopt, errno};
    const auto id = static_cast<std::uint16_t>(::getpid() ^ socket.get() << 8);
    const auto start = Clock::now();
    // The first packet may be lost while the neighbour is looked for: a second one half-way.
    for (std::uint16_t attempt = 0; attempt < 2; ++attempt) {
      const auto packet = echo(v6, id, attempt);
      const auto sent = Clock::now();
      if (::send(socket.get(), packet.data(), packet.size(), 0) < 0) return {std::nullopt, errno};
      const ProbeAnswer answer = await_echo(socket.get(), v6, id, sent, start + limit * (attempt + 1) / 2);
      if (answer.rtt || answer.error != 0) return answer;
    }
    return {};
  }

  ProbeAnswer connect(int netns, const IpAddress& to, std::uint16_t port, std::chrono::milliseconds limit) override {
    const unique_fd socket = socket_there(netns, to.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    const SocketAddress address = address_of(to, port);
    const auto start = Clock::now();
    if (::connect(socket.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) return {std::nullopt, errno};
    pollfd wait{socket.get(), POLLOUT, 0};
    if (::poll(&wait, 1, left_ms(start + limit)) <= 0) return {};
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return {std::nullopt, error};
    return {Clock::now() - start, 0};
  }

  ProbeRoute route_to(int netns, const IpAddress& to) override {
    auto socket = enter(netns);
    netlink::Batch batch;
    rtmsg head{};
    head.rtm_family = to.is_v6() ? AF_INET6 : AF_INET;
    head.rtm_dst_len = static_cast<std::uint8_t>(to.size() * 8);
    batch.begin(RTM_GETROUTE, 0, head);
    batch.put(RTA_DST, {to.bytes(), to.size()});
    const auto outcome = socket.transact(batch).front();
    ProbeRoute route;
    route.error = outcome.error;
    if (outcome.error != 0) return route;
    const auto said = netlink::value_of<rtmsg>(outcome.reply);
    const auto attributes = netlink::attributes_behind<rtmsg>(outcome.reply);
    route.local = said.rtm_type == RTN_LOCAL;
    if (said.rtm_type == RTN_UNREACHABLE || said.rtm_type == RTN_BLACKHOLE || said.rtm_type == RTN_PROHIBIT) route.error = ENETUNREACH;
    route.via = read_address(said.rtm_family, netlink::find_attribute(attributes, RTA_GATEWAY));
    route.source = read_address(said.rtm_family, netlink::find_attribute(attributes, RTA_PREFSRC));
    if (const auto index = netlink::find_attribute(attributes, RTA_OIF)) {
      const auto known = names(socket);
      if (const auto name = known.find(netlink::value_of<int>(*index)); name != known.end()) route.dev = name->second;
    }
    return route;
  }

  std::optional<AddressHolder> holder_of(const std::string& interface, const std::vector<IpAddress>& addresses) override {
    return netns::holder_of(interface, addresses);
  }

  std::optional<DropRule> dropped_by(int netns, const std::string& hook, const ProbePacket& packet) override {
    ExecRequest request;
    request.command = {"nft", "-j", "list", "ruleset"};
    request.timeout = std::chrono::seconds{5};
    try {
      const ExecResult result = execute(netns, "sovirt", request, most_rules);
      if (result.exit.code != 0 || result.truncated) return std::nullopt;
      ParseLimits limits;
      limits.bytes = most_rules;
      limits.depth = 64;
      return find_drop(parse_json(result.output, limits), hook, packet);
    } catch (const Error& error) {
      if (error.code() == Code::invalid || error.code() == Code::malformed) return std::nullopt;   // there is no nft(8) here
      throw;
    }
  }

 private:
  static std::optional<IpAddress> read_address(int family, const std::optional<netlink::BytesView>& bytes) {
    if (!bytes) return std::nullopt;
    if (family == AF_INET && bytes->size() == 4) return IpAddress::v4(netlink::value_of<std::array<std::uint8_t, 4>>(*bytes));
    if (family == AF_INET6 && bytes->size() == 16) return IpAddress::v6(netlink::value_of<std::array<std::uint8_t, 16>>(*bytes));
    return std::nullopt;
  }

  static ProbeAnswer await_echo(int socket, bool v6, std::uint16_t id, Clock::time_point sent, Clock::time_point end) {
    std::array<std::uint8_t, 512> bytes;
    while (Clock::now() < end) {
      pollfd wait{socket, POLLIN, 0};
      if (::poll(&wait, 1, left_ms(end)) <= 0) continue;
      const ssize_t size = ::recv(socket, bytes.data(), bytes.size(), 0);
      if (size < 0 && errno != EAGAIN && errno != EINTR) return {std::nullopt, errno};
      if (size > 0 && is_answer(bytes.data(), static_cast<std::size_t>(size), v6, id)) return {Clock::now() - sent, 0};
    }
    return {};
  }
};

}  // namespace
}  // namespace sovirt::netns

namespace sovirt {
std::unique_ptr<Prober> make_prober() { return std::make_unique<netns::KernelProber>(); }
}  // namespace sovirt
