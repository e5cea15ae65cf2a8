#include "daemon/kernel/filter/filter_watcher.hpp"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "daemon/base/error.hpp"
#include "daemon/base/unique_fd.hpp"
#include "daemon/base/watch_thread.hpp"

namespace sovirt::filter {
namespace {

constexpr int receive_queue = 1 << 20;

unique_fd subscribe(int protocol, std::initializer_list<unsigned> groups) {
  unique_fd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)};
  if (!socket) throw errno_error("socket", "netlink");
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receive_queue, sizeof receive_queue);
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&self), sizeof self) != 0) throw errno_error("bind", "netlink");
  for (const unsigned group : groups)
    if (::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
      throw errno_error("setsockopt(NETLINK_ADD_MEMBERSHIP)", std::to_string(group));
  return socket;
}

std::string_view name_in(const nlattr* attribute) {
  const char* const text = reinterpret_cast<const char*>(attribute) + NLA_HDRLEN;
  const std::size_t room = attribute->nla_len - static_cast<std::size_t>(NLA_HDRLEN);
  return {text, ::strnlen(text, room)};
}

// Of our table, or of a base chain, whose policy may be to drop. The table's name is attribute 1 of all of them
// (NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE). A firewall that adds to its sets all day is no news.
bool concerns_us(const nlmsghdr& message, std::string_view table) {
  if (NFNL_SUBSYS_ID(message.nlmsg_type) != NFNL_SUBSYS_NFTABLES) return false;
  const int type = NFNL_MSG_TYPE(message.nlmsg_type);
  if (type == NFT_MSG_NEWCHAIN || type == NFT_MSG_DELCHAIN) return true;
  if (type == NFT_MSG_NEWGEN) return false;
  const auto* const end = reinterpret_cast<const char*>(&message) + message.nlmsg_len;
  const auto* at = reinterpret_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(nfgenmsg));
  while (at + NLA_HDRLEN <= end) {
    const auto* const attribute = reinterpret_cast<const nlattr*>(at);
    if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > end) return true;
    if ((attribute->nla_type & NLA_TYPE_MASK) == NFTA_TABLE_NAME) return name_in(attribute) == table;
    at += NLA_ALIGN(attribute->nla_len);
  }
  return true;
}

class Subscription {
 public:
  Subscription(std::string table, std::function<void()> changed)
      : table_(std::move(table)), changed_(std::move(changed)), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        tables_(subscribe(NETLINK_NETFILTER, {NFNLGRP_NFTABLES})),
        switches_(subscribe(NETLINK_ROUTE, {RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF})) {
    if (!stop_) throw errno_error("eventfd");
  }
  void stop() const noexcept { ::eventfd_write(stop_.get(), 1); }

  void run() {
    std::array<pollfd, 3> wait{{{stop_.get(), POLLIN, 0}, {tables_.get(), POLLIN, 0}, {switches_.get(), POLLIN, 0}}};
    for (;;) {
      if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) return;
      if ((wait[0].revents & POLLIN) != 0) return;
      const bool news = drain(tables_.get(), true);
      if (drain(switches_.get(), false) || news) changed_();
    }
  }

 private:
  // Everything that waits, so that a burst calls once.
  bool drain(int socket, bool of_tables) {
    bool news = false;
    for (;;) {
      const ssize_t got = ::recv(socket, buffer_.data(), buffer_.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return news || errno == ENOBUFS;
      auto left = static_cast<unsigned>(got);
      for (auto* message = reinterpret_cast<nlmsghdr*>(buffer_.data()); NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
        news = news || !of_tables || concerns_us(*message, table_);
    }
  }

  std::string table_;
  std::function<void()> changed_;
  unique_fd stop_, tables_, switches_;
  alignas(nlmsghdr) std::array<char, 65536> buffer_;
};

}  // namespace

std::shared_ptr<void> watch_filter(std::string table, std::function<void()> changed) {
  return std::make_shared<WatchThread<Subscription>>(std::move(table), std::move(changed));
}

}  // namespace sovirt::filter
