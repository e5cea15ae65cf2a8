#include "daemon/kernel/netlink/connection.hpp"

#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <cerrno>
#include <new>

namespace sovirt::netlink {
namespace {

// The largest piece the kernel makes of a dump. libnl would otherwise ask for the size of every datagram before it reads it.
constexpr std::size_t buffer_size = 32768;

}  // namespace

void FreeSocket::operator()(nl_sock* socket) const noexcept { ::nl_socket_free(socket); }

Error library_error(std::string call, int code, int number) {
  if (number != 0) return errno_error(number, std::move(call), "netlink");
  return Error{Code::internal, call + ": " + ::nl_geterror(code)};
}

SocketPtr connect_route() { return connect(NETLINK_ROUTE); }

SocketPtr connect(int protocol) {
  SocketPtr socket{::nl_socket_alloc()};
  if (!socket) throw std::bad_alloc{};
  errno = 0;
  if (const int code = ::nl_connect(socket.get(), protocol); code < 0) throw library_error("nl_connect", code, errno);
  ::nl_socket_set_msg_buf_size(socket.get(), buffer_size);
  return socket;
}

Datagram receive(nl_sock* socket) {
  Datagram datagram;
  sockaddr_nl sender{};
  unsigned char* bytes = nullptr;
  datagram.size = ::nl_recv(socket, &sender, &bytes, nullptr);
  if (datagram.size > 0) datagram.bytes.reset(bytes);
  return datagram;
}

BytesView payload_of(const nlmsghdr& head) {
  return {static_cast<const std::uint8_t*>(::nlmsg_data(&head)), static_cast<std::size_t>(::nlmsg_datalen(&head))};
}

}  // namespace sovirt::netlink
