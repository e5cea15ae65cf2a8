#include "daemon/kernel/netlink/watcher.hpp"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/socket.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "daemon/base/unique_fd.hpp"
#include "daemon/base/watch_thread.hpp"
#include "daemon/kernel/netlink/connection.hpp"

namespace sovirt::netlink {
namespace {

// Room for a few thousand messages: a host that starts hundreds of containers at once makes bursts.
constexpr int kernel_queue = 4 << 20;

// libnl goes up to rmem_max only. Beyond it needs CAP_NET_ADMIN over the initial namespace; without, what the host allows.
void enlarge_queue(nl_sock* socket) {
  if (::setsockopt(::nl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &kernel_queue, sizeof kernel_queue) != 0)
    ::nl_socket_set_buffer_size(socket, kernel_queue, 0);
}

}  // namespace

SocketPtr subscribe(bool all) {
  SocketPtr socket = connect_route();
  enlarge_queue(socket.get());
  errno = 0;
  int code = ::nl_socket_set_nonblocking(socket.get());
  if (code < 0) throw library_error("nl_socket_set_nonblocking", code, errno);
  code = ::nl_socket_add_memberships(socket.get(), RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NONE);
  if (code == 0 && all)
    code = ::nl_socket_add_memberships(socket.get(), RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_TC, RTNLGRP_IPV4_NETCONF, RTNLGRP_NONE);
  if (code < 0) throw library_error("nl_socket_add_memberships", code, errno);
  return socket;
}

std::optional<LinkEvent> read_event(const nlmsghdr& message) {
  const BytesView payload = payload_of(message);
  const int type = message.nlmsg_type;
  LinkEvent event;
  if (type == RTM_NEWADDR || type == RTM_DELADDR) {
    event.ifindex = static_cast<int>(value_of<ifaddrmsg>(payload).ifa_index);
    return event;
  }
  if (type == RTM_NEWQDISC || type == RTM_DELQDISC) {
    event.ifindex = value_of<tcmsg>(payload).tcm_ifindex;
    return event;
  }
  if (type == RTM_DELROUTE || type == RTM_NEWNETCONF) return event;
  if (type != RTM_NEWLINK && type != RTM_DELLINK) return std::nullopt;
  const auto head = value_of<ifinfomsg>(payload);
  event.ifindex = head.ifi_index;
  // A bridge tells of its ports in messages of its own family: a deletion there is only the end of being a port.
  event.gone = type == RTM_DELLINK && head.ifi_family != AF_BRIDGE;
  if (const auto name = find_attribute(attributes_behind<ifinfomsg>(payload), IFLA_IFNAME)) event.name = text_of(*name);
  return event;
}

namespace {

// What the thread works on, alive as long as the thread.
class Subscription {
 public:
  explicit Subscription(NetworkKernel::Listener listener)
      : socket_(subscribe(false)), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), listener_(std::move(listener)) {
    if (!stop_) throw errno_error("eventfd");
  }
  void stop() const noexcept { ::eventfd_write(stop_.get(), 1); }

  void run() {
    pollfd wait[] = {{stop_.get(), POLLIN, 0}, {::nl_socket_get_fd(socket_.get()), POLLIN, 0}};
    for (;;) {
      if (::poll(wait, 2, -1) < 0 && errno != EINTR) return;
      if (stopped() || !drain()) return;
    }
  }

 private:
  bool stopped() const noexcept {
    pollfd now{stop_.get(), POLLIN, 0};
    return ::poll(&now, 1, 0) > 0;
  }

  // false: stopped, or the socket is of no use any more.
  bool drain() {
    for (;;) {
      const Datagram datagram = receive(socket_.get());
      if (datagram.size > 0) {
        if (!deliver(datagram)) return false;
      } else if (datagram.size == -NLE_NOMEM || datagram.size == -NLE_MSG_TRUNC) {
        listener_({}, true);  // ENOBUFS is NLE_NOMEM to libnl
      } else {
        return datagram.size == -NLE_AGAIN;
      }
      if (stopped()) return false;
    }
  }

  bool deliver(const Datagram& datagram) {
    bool going = true;
    for_each_message(datagram, [&](const nlmsghdr& message) {
      if (!going) return;
      if (const auto event = read_event(message)) listener_(*event, false);
      going = !stopped();
    });
    return going;
  }

  SocketPtr socket_;
  unique_fd stop_;
  NetworkKernel::Listener listener_;
};

}  // namespace

std::shared_ptr<void> watch_links(NetworkKernel::Listener listener) {
  try {
    return std::make_shared<WatchThread<Subscription>>(std::move(listener));
  } catch (const std::system_error& error) {
    throw errno_error(error.code().value(), "clone", "the thread that watches links");
  }
}

}  // namespace sovirt::netlink
