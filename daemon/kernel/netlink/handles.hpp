#pragma once
#include <memory>

// libnl's own types. Only named here, so that its headers stay out of ours.
struct nl_msg;
struct nl_sock;

namespace sovirt::netlink {

struct FreeMessage {
  void operator()(nl_msg* message) const noexcept;
};
struct FreeSocket {
  void operator()(nl_sock* socket) const noexcept;  // closes it
};
using MessagePtr = std::unique_ptr<nl_msg, FreeMessage>;
using SocketPtr = std::unique_ptr<nl_sock, FreeSocket>;

}  // namespace sovirt::netlink
