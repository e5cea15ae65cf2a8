#include "daemon/kernel/cgroup/fork_events.hpp"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace sovirt {
namespace {

constexpr int room_for_events = 8 << 20;
constexpr int patience_ms = 200;
constexpr std::size_t head = sizeof(nlmsghdr) + sizeof(cn_msg);

bool send_listen(int socket) {
  const proc_cn_mcast_op operation = PROC_CN_MCAST_LISTEN;
  nlmsghdr netlink{};
  cn_msg connector{};
  std::array<char, head + sizeof operation> message{};
  netlink.nlmsg_len = message.size();
  netlink.nlmsg_type = NLMSG_DONE;
  connector.id = {CN_IDX_PROC, CN_VAL_PROC};
  connector.len = sizeof operation;
  std::memcpy(message.data(), &netlink, sizeof netlink);
  std::memcpy(message.data() + sizeof netlink, &connector, sizeof connector);
  std::memcpy(message.data() + head, &operation, sizeof operation);
  return ::send(socket, message.data(), message.size(), 0) == static_cast<ssize_t>(message.size());
}

std::optional<proc_event> event_in(const char* data, ssize_t size) {
  // Older kernels send a shorter proc_event; a fork is at its front in all of them.
  const std::size_t needed = head + offsetof(proc_event, event_data) + sizeof(proc_event::event_data.fork);
  if (size < static_cast<ssize_t>(needed)) return std::nullopt;
  proc_event event{};
  std::memcpy(&event, data + head, std::min(sizeof event, static_cast<std::size_t>(size) - head));
  return event;
}

}  // namespace

// The kernel takes a subscription without a word where it will tell nothing, so its own acknowledgement is waited for.
std::optional<ForkEvents> ForkEvents::subscribe() {
  unique_fd socket{::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR)};
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  self.nl_groups = CN_IDX_PROC;
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&self), sizeof self) != 0) return std::nullopt;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room_for_events, sizeof room_for_events);
  if (!send_listen(socket.get())) return std::nullopt;
  std::array<char, 512> buffer{};
  for (pollfd ready{socket.get(), POLLIN, 0}; ::poll(&ready, 1, patience_ms) > 0;) {
    const auto event = event_in(buffer.data(), ::recv(socket.get(), buffer.data(), buffer.size(), 0));
    if (event && static_cast<unsigned>(event->what) == 0 && event->event_data.ack.err == 0) return ForkEvents{std::move(socket)};
  }
  return std::nullopt;
}

bool ForkEvents::read(std::vector<Fork>& into) {
  bool complete = true;
  std::array<char, 512> buffer{};
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {
      complete = false;
      continue;
    }
    if (got < 0) return complete;
    const auto event = event_in(buffer.data(), got);
    if (!event || static_cast<unsigned>(event->what) != 1) continue;   // PROC_EVENT_FORK; where the enumerator lies changed in 6.6
    const auto& fork = event->event_data.fork;
    if (fork.child_pid == fork.child_tgid) into.push_back({fork.parent_tgid, fork.child_tgid});
  }
}

}  // namespace sovirt
