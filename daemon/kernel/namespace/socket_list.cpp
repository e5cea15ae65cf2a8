#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "daemon/kernel/namespace/look.hpp"

namespace sovirt::netns {
namespace {

// States of include/net/tcp_states.h, as ss(8) numbers them.
std::string state_text(std::uint8_t protocol, std::uint8_t state) {
  if (protocol == IPPROTO_UDP) return state == 1 ? "established" : "unconnected";
  constexpr const char* texts[] = {"unknown", "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait",
                                   "closed", "close-wait", "last-ack", "listen", "closing", "new-syn-recv"};
  return state < std::size(texts) ? texts[state] : "unknown";
}

std::string endpoint(std::uint8_t family, const __be32* words, __be16 port) {
  const std::string number = port == 0 ? "*" : std::to_string(ntohs(port));
  if (family == AF_INET6) {
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), words, bytes.size());
    return "[" + IpAddress::v6(bytes).text() + "]:" + number;
  }
  std::array<std::uint8_t, 4> bytes;
  std::memcpy(bytes.data(), words, bytes.size());
  return IpAddress::v4(bytes).text() + ":" + number;
}

void dump_of(netlink::Socket& diag, std::uint8_t family, std::uint8_t protocol, std::vector<RawSocket>& out) {
  netlink::Batch batch;
  inet_diag_req_v2 request{};
  request.sdiag_family = family;
  request.sdiag_protocol = protocol;
  request.idiag_states = ~0U;
  batch.begin(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request);
  netlink::Dump dump;
  try {
    dump = diag.dump(batch, "SOCK_DIAG_BY_FAMILY");
  } catch (const Error& error) {
    if (error.error_number() == ENOENT || error.error_number() == EINVAL) return;   // a kernel without this protocol's diag, or without IPv6
    throw;
  }
  for (const auto& payload : dump) {
    const auto said = netlink::value_of<inet_diag_msg>(payload);
    if (said.idiag_family != family) continue;
    RawSocket one;
    one.inode = said.idiag_inode;
    one.shown.protocol = std::string{protocol == IPPROTO_TCP ? "tcp" : "udp"} + (family == AF_INET6 ? "6" : "");
    one.shown.state = state_text(protocol, said.idiag_state);
    one.shown.local = endpoint(family, said.id.idiag_src, said.id.idiag_sport);
    one.shown.peer = endpoint(family, said.id.idiag_dst, said.id.idiag_dport);
    out.push_back(std::move(one));
  }
}

}  // namespace

std::vector<RawSocket> dump_sockets(netlink::Socket& diag) {
  std::vector<RawSocket> out;
  for (const std::uint8_t family : {AF_INET, AF_INET6})
    for (const std::uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP}) dump_of(diag, family, protocol, out);
  return out;
}

}  // namespace sovirt::netns
