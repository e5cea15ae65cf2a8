#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/domain/ports/network_kernel.hpp"
#include "daemon/kernel/netlink/socket.hpp"

namespace sovirt::netlink {

// The altname of a link of ours. Altnames are unique in a namespace, while the NICs of one container share
// its uid: theirs goes on with ":" and the link's name, which mark_of() leaves out again.
std::string bridge_altname(std::string_view uid);
std::string nic_altname(std::string_view uid, std::string_view link_name);
std::string mark_of(std::string_view altname);  // "" if it is not a mark of sovirt

// A link with what the domain does not see.
struct LinkRecord {
  LinkState state;   // addresses are asked for separately
  int peer = 0;      // IFLA_LINK: of a veth the other end's ifindex, in whatever namespace that is
};
LinkRecord read_link(BytesView payload);  // of an RTM_NEWLINK

struct AddressRecord {
  int ifindex = 0;
  Cidr cidr;
};
// nullopt: an IPv6 link-local address the kernel made by itself, or nothing that is an address.
std::optional<AddressRecord> read_address(BytesView payload);  // of an RTM_NEWADDR

// Puts a GET of one link into the batch: by its name, or by an altname where it is longer than names are.
void put_get_link(Batch& batch, std::string_view name);
// nullopt: the message answered ENODEV. Throws Error for anything else.
std::optional<LinkRecord> link_in(const Outcome& outcome, std::string_view name);

std::optional<LinkRecord> get_link(Socket& socket, std::string_view name);
LinkRecord require_link(Socket& socket, std::string_view name);      // throws Error{not_found}
// master: ifindex of the bridge whose ports are asked for, 0 for all there are.
std::vector<LinkRecord> dump_links(Socket& socket, int master);
std::vector<AddressRecord> dump_addresses(Socket& socket, int ifindex);  // 0: of all links

}  // namespace sovirt::netlink
