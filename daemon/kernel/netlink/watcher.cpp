#include "daemon/kernel/netlink/watcher.hpp"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/kernel/netlink/message.hpp"

namespace sovirt::netlink {
namespace {

constexpr std::size_t buffer_size = 32768;
// Room for a few thousand messages: a host that starts hundreds of containers at once makes bursts.
constexpr int kernel_queue = 4 << 20;

unique_fd subscribe() {
  unique_fd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
  if (!fd) throw errno_error("socket", "NETLINK_ROUTE");
  // Beyond rmem_max only with CAP_NET_ADMIN over the initial namespace; without, what the host allows.
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kernel_queue, sizeof kernel_queue) != 0)
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kernel_queue, sizeof kernel_queue);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw errno_error("bind", "netlink groups");
  return fd;
}

std::optional<LinkEvent> read_event(std::uint16_t type, BytesView payload) {
  LinkEvent event;
  if (type == RTM_NEWADDR || type == RTM_DELADDR) {
    event.ifindex = static_cast<int>(value_of<ifaddrmsg>(payload).ifa_index);
    return event;
  }
  if (type != RTM_NEWLINK && type != RTM_DELLINK) return std::nullopt;
  const auto head = value_of<ifinfomsg>(payload);
  event.ifindex = head.ifi_index;
  // A bridge tells of its ports in messages of its own family: a deletion there is only the end of being a port.
  event.gone = type == RTM_DELLINK && head.ifi_family != AF_BRIDGE;
  if (const auto name = find_attribute(attributes_behind<ifinfomsg>(payload), IFLA_IFNAME)) event.name = text_of(*name);
  return event;
}

// What the thread works on, alive as long as the thread.
class Subscription {
 public:
  explicit Subscription(NetworkKernel::Listener listener)
      : socket_(subscribe()), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), listener_(std::move(listener)), buffer_(buffer_size) {
    if (!stop_) throw errno_error("eventfd");
  }
  void stop() const noexcept { ::eventfd_write(stop_.get(), 1); }

  void run() {
    pollfd wait[] = {{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
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
      const ssize_t got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
      if (got >= 0) {
        if (!deliver({buffer_.data(), static_cast<std::size_t>(got)})) return false;
      } else if (errno == ENOBUFS) {
        listener_({}, true);
      } else if (errno != EINTR) {
        return errno == EAGAIN;
      }
      if (stopped()) return false;
    }
  }

  bool deliver(BytesView bytes) {
    while (bytes.size() >= sizeof(nlmsghdr)) {
      const auto head = value_of<nlmsghdr>(bytes);
      if (head.nlmsg_len < sizeof head || head.nlmsg_len > bytes.size()) return true;
      const auto event = read_event(head.nlmsg_type, bytes.subspan(sizeof head, head.nlmsg_len - sizeof head));
      if (event) listener_(*event, false);
      if (stopped()) return false;
      const std::size_t step = NLMSG_ALIGN(head.nlmsg_len);
      if (step >= bytes.size()) return true;
      bytes = bytes.subspan(step);
    }
    return true;
  }

  unique_fd socket_;
  unique_fd stop_;
  NetworkKernel::Listener listener_;
  Bytes buffer_;
};

// Ends the thread when it dies: after that the listener is not called again.
class Handle {
 public:
  explicit Handle(NetworkKernel::Listener listener)
      : subscription_(std::make_shared<Subscription>(std::move(listener))),
        thread_([subscription = subscription_] { subscription->run(); }) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    subscription_->stop();
    if (thread_.get_id() == std::this_thread::get_id()) thread_.detach();  // it holds the subscription itself
    else thread_.join();
  }

 private:
  std::shared_ptr<Subscription> subscription_;
  std::thread thread_;
};

}  // namespace

std::shared_ptr<void> watch_links(NetworkKernel::Listener listener) {
  try {
    return std::make_shared<Handle>(std::move(listener));
  } catch (const std::system_error& error) {
    throw errno_error(error.code().value(), "clone", "the thread that watches links");
  }
}

}  // namespace sovirt::netlink
