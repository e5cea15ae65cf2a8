#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "daemon/kernel/netlink/records.hpp"

namespace sovirt::netlink {

// Changes of single links. All throw Error.
void create_bridge(Socket& socket, const BridgeLink& bridge);
bool delete_link(Socket& socket, std::string_view name, std::string_view uid);
bool delete_index(Socket& socket, int ifindex);  // false: was gone
void change_link(Socket& socket, std::string_view name, const LinkChange& change);

// A name that no link has: 60 random bits.
std::string passing_name();
// A name the kernel would take for a pattern ("br%d") and fill in with one of its own choice.
void refuse_pattern(std::string_view name);
// Marks the link that is found by `name`; the altname must be free.
void put_mark(Batch& batch, std::string_view name, std::string_view altname);
// Of a port of a bridge, in a message that does not make it one.
void put_port_data(Batch&, bool isolated);
void put_mac(Batch& batch, const Mac& mac);
struct VethEnd {
  std::string_view name;
  Mac mac;
  unsigned mtu = 0;
};
// The creation of a pair, both ends down; `there` in that namespace.
void put_veth_pair(Batch&, const VethEnd& here, const VethEnd& there, int netns);
Error foreign_link(std::string_view name);

// Addresses of one link.
std::vector<Cidr> addresses_of(Socket& socket, int ifindex);
void put_new_address(Batch& batch, int ifindex, const Cidr& cidr);
bool add_address(Socket& socket, std::string_view link, const Cidr& cidr);
bool remove_address(Socket& socket, std::string_view link, const Cidr& cidr);
// The outcome of put_new_address, EEXIST put aside: false.
bool address_added(const Outcome& outcome, std::string_view link, const Cidr& cidr);

}  // namespace sovirt::netlink
