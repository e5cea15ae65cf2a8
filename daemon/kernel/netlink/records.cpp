#include "daemon/kernel/netlink/records.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "daemon/kernel/netlink/attributes.hpp"

namespace sovirt::netlink {
namespace {

constexpr std::string_view mark_prefix = "sovirt:";

constexpr auto link_policy = [] {
  Policy<IFLA_MAX> policy{};
  policy[IFLA_IFNAME] = {NLA_STRING, 0, IFNAMSIZ};
  policy[IFLA_MTU].type = NLA_U32;
  policy[IFLA_MASTER].type = NLA_U32;
  policy[IFLA_LINK].type = NLA_U32;
  policy[IFLA_LINKINFO].type = NLA_NESTED;
  policy[IFLA_PROP_LIST].type = NLA_NESTED;
  return policy;
}();

constexpr auto info_policy = [] {
  Policy<IFLA_INFO_MAX> policy{};
  policy[IFLA_INFO_KIND].type = NLA_STRING;
  policy[IFLA_INFO_DATA].type = NLA_NESTED;
  policy[IFLA_INFO_SLAVE_KIND].type = NLA_STRING;
  policy[IFLA_INFO_SLAVE_DATA].type = NLA_NESTED;
  return policy;
}();

constexpr auto bridge_policy = [] {
  Policy<IFLA_BR_MAX> policy{};
  policy[IFLA_BR_STP_STATE].type = NLA_U32;
  return policy;
}();

constexpr auto port_policy = [] {
  Policy<IFLA_BRPORT_MAX> policy{};
  policy[IFLA_BRPORT_ISOLATED].type = NLA_U8;
  return policy;
}();

constexpr auto address_policy = [] {
  Policy<IFA_MAX> policy{};
  policy[IFA_PROTO].type = NLA_U8;
  return policy;
}();

// A link has as many altnames as it likes: a table has room for one of a type.
std::string first_mark(const nlattr* properties) {
  const nlattr* property = nullptr;
  int left = 0;
  nla_for_each_nested(property, properties, left) {
    if (::nla_type(property) != IFLA_ALT_IFNAME) continue;
    if (auto mark = mark_of(text_of(bytes_of(property))); !mark.empty()) return mark;
  }
  return {};
}

void read_kind(nlattr* link_info, LinkState& state) {
  const Attributes<IFLA_INFO_MAX> info{link_info, info_policy};
  if (const auto* kind = info[IFLA_INFO_KIND]) state.kind = ::nla_get_string(kind);
  const auto* master = info[IFLA_INFO_SLAVE_KIND];
  if (master && std::string_view{::nla_get_string(master)} == "bridge" && info[IFLA_INFO_SLAVE_DATA]) {
    const Attributes<IFLA_BRPORT_MAX> port{info[IFLA_INFO_SLAVE_DATA], port_policy};
    if (const auto* isolated = port[IFLA_BRPORT_ISOLATED]) state.isolated = ::nla_get_u8(isolated) != 0;
  }
  if (state.kind != "bridge" || !info[IFLA_INFO_DATA]) return;
  const Attributes<IFLA_BR_MAX> bridge{info[IFLA_INFO_DATA], bridge_policy};
  if (const auto* stp = bridge[IFLA_BR_STP_STATE]) state.stp = ::nla_get_u32(stp) != 0;
}

template <std::size_t size>
std::array<std::uint8_t, size> array_of(BytesView value) {
  std::array<std::uint8_t, size> out{};
  std::copy_n(value.begin(), size, out.begin());
  return out;
}

// nullopt: not there, or not of a length that an address has.
std::optional<IpAddress> address_of(int family, const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  const BytesView value = bytes_of(attribute);
  if (family == AF_INET && value.size() == 4) return IpAddress::v4(array_of<4>(value));
  if (family == AF_INET6 && value.size() == 16) return IpAddress::v6(array_of<16>(value));
  return std::nullopt;
}

}  // namespace

std::string bridge_altname(std::string_view uid) { return std::string{mark_prefix} + std::string{uid}; }

std::string nic_altname(std::string_view uid, std::string_view link_name) {
  return bridge_altname(uid) + ":" + std::string{link_name};
}

std::string mark_of(std::string_view altname) {
  if (!altname.starts_with(mark_prefix)) return {};
  const auto uid = altname.substr(mark_prefix.size());
  return std::string{uid.substr(0, uid.find(':'))};
}

LinkRecord read_link(BytesView payload) {
  LinkRecord record;
  LinkState& state = record.state;
  const auto head = value_of<ifinfomsg>(payload);
  state.ifindex = head.ifi_index;
  state.up = (head.ifi_flags & IFF_UP) != 0;
  state.carrier = (head.ifi_flags & IFF_LOWER_UP) != 0;
  const Attributes<IFLA_MAX> said{attributes_behind<ifinfomsg>(payload), link_policy};
  if (const auto* name = said[IFLA_IFNAME]) state.name = ::nla_get_string(name);
  if (const auto* mac = said[IFLA_ADDRESS]; mac && ::nla_len(mac) == 6) state.mac = Mac{array_of<6>(bytes_of(mac))};
  if (const auto* mtu = said[IFLA_MTU]) state.mtu = ::nla_get_u32(mtu);
  if (const auto* master = said[IFLA_MASTER]) state.master = ::nla_get_s32(master);
  if (const auto* peer = said[IFLA_LINK]) record.peer = ::nla_get_s32(peer);
  if (auto* info = said[IFLA_LINKINFO]) read_kind(info, state);
  if (const auto* properties = said[IFLA_PROP_LIST]) state.mark = first_mark(properties);
  return record;
}

std::optional<AddressRecord> read_address(BytesView payload) {
  const auto head = value_of<ifaddrmsg>(payload);
  const Attributes<IFA_MAX> said{attributes_behind<ifaddrmsg>(payload), address_policy};
  if (const auto* protocol = said[IFA_PROTO]; protocol && ::nla_get_u8(protocol) == IFAPROT_KERNEL_LL) return std::nullopt;
  auto address = address_of(head.ifa_family, said[IFA_LOCAL]);  // our end; IFA_ADDRESS may be a peer's
  if (!address) address = address_of(head.ifa_family, said[IFA_ADDRESS]);
  if (!address) return std::nullopt;
  return AddressRecord{static_cast<int>(head.ifa_index), Cidr{*address, head.ifa_prefixlen}};
}

void put_get_link(Batch& batch, std::string_view name) {
  batch.begin(RTM_GETLINK, 0, ifinfomsg{});
  batch.put_text(name.size() < IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
  batch.put_number<std::uint32_t>(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

std::optional<LinkRecord> link_in(const Outcome& outcome, std::string_view name) {
  if (outcome.error == ENODEV) return std::nullopt;
  expect(outcome, "RTM_GETLINK", std::string{name});
  return read_link(outcome.reply);
}

std::optional<LinkRecord> get_link(Socket& socket, std::string_view name) {
  if (name.empty() || name.size() >= ALTIFNAMSIZ) return std::nullopt;
  Batch batch;
  put_get_link(batch, name);
  return link_in(socket.transact(batch).front(), name);
}

LinkRecord require_link(Socket& socket, std::string_view name) {
  auto link = get_link(socket, name);
  if (!link) throw kernel_error(ENODEV, "RTM_GETLINK", std::string{name});
  return *std::move(link);
}

std::vector<LinkRecord> dump_links(Socket& socket, int master) {
  Batch batch;
  batch.begin(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
  if (master != 0) batch.put_number<std::uint32_t>(IFLA_MASTER, static_cast<std::uint32_t>(master));
  batch.put_number<std::uint32_t>(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::vector<LinkRecord> links;
  for (const auto& payload : socket.dump(batch, "RTM_GETLINK")) {
    auto link = read_link(payload);
    if (master == 0 || link.state.master == master) links.push_back(std::move(link));
  }
  return links;
}

std::vector<AddressRecord> dump_addresses(Socket& socket, int ifindex) {
  Batch batch;
  ifaddrmsg head{};
  head.ifa_index = static_cast<std::uint32_t>(ifindex);
  batch.begin(RTM_GETADDR, NLM_F_DUMP, head);
  std::vector<AddressRecord> addresses;
  for (const auto& payload : socket.dump(batch, "RTM_GETADDR")) {
    const auto address = read_address(payload);
    if (address && (ifindex == 0 || address->ifindex == ifindex)) addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace sovirt::netlink
