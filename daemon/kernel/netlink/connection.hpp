#pragma once
#include <netlink/msg.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/kernel/netlink/handles.hpp"
#include "daemon/kernel/netlink/message.hpp"

namespace sovirt::netlink {

// A failure of libnl itself, not one the kernel answered. libnl folds many errnos into one code of its own ("Unspecific
// failure" is what it makes of EMFILE); so `number`, the errno it left behind, goes first where there is one.
Error library_error(std::string call, int code, int number);

// Connected to that protocol (NETLINK_ROUTE is 0) of the calling thread's network namespace. Throws Error.
SocketPtr connect(int protocol);
SocketPtr connect_route();

struct FreeBuffer {
  void operator()(unsigned char* bytes) const noexcept { std::free(bytes); }
};
struct Datagram {
  std::unique_ptr<unsigned char, FreeBuffer> bytes;
  int size = 0;  // 0 or a negative code of libnl: there are no bytes
  nlmsghdr* first() const noexcept { return reinterpret_cast<nlmsghdr*>(bytes.get()); }
};
Datagram receive(nl_sock* socket);

// libnl's nlmsg_for_each() declares a second variable of the name it is given.
template <class Visit>
void for_each_message(const Datagram& datagram, Visit visit) {
  int left = datagram.size;
  for (auto* head = datagram.first(); ::nlmsg_ok(head, left); head = ::nlmsg_next(head, &left)) visit(*head);
}
BytesView payload_of(const nlmsghdr& head);

}  // namespace sovirt::netlink
