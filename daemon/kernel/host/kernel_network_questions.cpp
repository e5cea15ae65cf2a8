#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sched.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "daemon/base/spawn.hpp"
#include "daemon/kernel/host/kernel_questions.hpp"

namespace sovirt {
namespace {

using Socket = std::unique_ptr<nl_sock, void (*)(nl_sock*)>;
using Message = std::unique_ptr<nl_msg, void (*)(nl_msg*)>;

Socket open_socket(int protocol) {
  Socket socket{::nl_socket_alloc(), &::nl_socket_free};
  if (socket && ::nl_connect(socket.get(), protocol) < 0) socket.reset();
  return socket;
}

// 0 or a negative error of libnl. Takes the message.
int send(const Socket& socket, Message message) { return ::nl_send_sync(socket.get(), message.release()); }

// Asks for a link of that kind. A kind the kernel lacks is EOPNOTSUPP whatever else is wrong with the request; the kinds
// that want more than their name answer another error, which says just as well that they are there.
KernelAnswer ask_link(const Socket& socket, const std::string& kind) {
  Message message{::nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL), &::nlmsg_free};
  ifinfomsg header{};
  if (!message || ::nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0) return unknown("no memory");
  nlattr* const info = ::nla_nest_start(message.get(), IFLA_LINKINFO);
  if (!info || ::nla_put_string(message.get(), IFLA_INFO_KIND, kind.c_str()) < 0) return unknown("no memory");
  ::nla_nest_end(message.get(), info);
  const int result = send(socket, std::move(message));
  if (result == -NLE_OPNOTSUPP) return missing("the kernel knows no link of kind \"" + kind + "\"");
  if (result == -NLE_PERM) return unknown("asking for one is not permitted");
  return present("the kernel makes links of this kind");
}

KernelAnswer ask_nftables() {
  const Socket socket = open_socket(NETLINK_NETFILTER);
  if (!socket) return missing("the kernel has no netfilter over netlink");
  Message message{::nlmsg_alloc_simple((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN, 0), &::nlmsg_free};
  const nfgenmsg header{AF_UNSPEC, NFNETLINK_V0, 0};
  if (!message || ::nlmsg_append(message.get(), const_cast<nfgenmsg*>(&header), sizeof header, NLMSG_ALIGNTO) < 0)
    return unknown("no memory");
  const int result = send(socket, std::move(message));
  if (result >= 0) return present("nf_tables answers");
  if (result == -NLE_PERM) return unknown("asking it is not permitted");
  return missing("nf_tables does not answer: " + std::string{::nl_geterror(result)});
}

void ask_inside(const std::set<std::string>& loading, Answers& into) {
  const Socket socket = open_socket(NETLINK_ROUTE);
  for (const char* kind : {"veth", "bridge", "macvlan", "vxlan", "dummy"})
    if (socket && !loading.contains(kind)) into.insert_or_assign(kind, ask_link(socket, kind));
  if (!loading.contains("nftables")) into.insert_or_assign("nftables", ask_nftables());
}

}  // namespace

void ask_network(const std::set<std::string>& loading, Answers& into) {
  // What is made in the thread's own namespace goes with it, and no event of it reaches the host's listeners.
  in_own_thread([&] {
    if (::unshare(CLONE_NEWNET) == 0) ask_inside(loading, into);
  });
}

}  // namespace sovirt
