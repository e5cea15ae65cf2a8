#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/domain/ports/namespace_inside.hpp"
#include "daemon/kernel/netlink/socket.hpp"

namespace sovirt::netns {

// A socket in the namespace, of NETLINK_ROUTE unless told otherwise. -1: the calling thread's own. Throws Error.
netlink::Socket enter(int netns, int protocol = 0);
// A descriptor of it; of -1 the calling thread's.
unique_fd descriptor(int netns);
std::uint64_t inode(int netns);

std::vector<Interface> interfaces(netlink::Socket& socket);
std::map<int, std::string> names(netlink::Socket& socket);   // of all links by index

std::vector<RouteState> routes(netlink::Socket& socket);
bool add_route(netlink::Socket& socket, const RouteSpec&);
bool remove_route(netlink::Socket& socket, const RouteSpec&);

struct RawSocket {
  SocketState shown;
  std::uint64_t inode = 0;
};
std::vector<RawSocket> dump_sockets(netlink::Socket& diag);
// Every process by the inode of its network namespace.
using ProcessTable = std::map<std::uint64_t, std::vector<ProcessState>>;
ProcessTable all_processes();
std::string command_of(pid_t pid);
// Who of them holds which socket, by its inode.
std::map<std::uint64_t, std::pair<pid_t, std::string>> socket_holders(const std::vector<ProcessState>&);

ExecResult execute(int netns, const std::string& name, const ExecRequest&, std::size_t limit);

// The rate an interface may send at, bit/s; 0 for none, or for a queueing discipline that is not ours.
std::uint64_t egress_of(netlink::Socket& socket, int ifindex);
void set_egress(netlink::Socket& socket, int ifindex, std::uint64_t bits_per_second);

}  // namespace sovirt::netns
