#include "daemon/kernel/netlink/records.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sovirt::netlink {
namespace {

constexpr std::string_view mark_prefix = "sovirt:";

std::string first_mark(BytesView properties) {
  std::string mark;
  for_each_attribute(properties, [&](std::uint16_t type, BytesView value) {
    if (type == IFLA_ALT_IFNAME && mark.empty()) mark = mark_of(text_of(value));
  });
  return mark;
}

void read_kind(BytesView info, LinkState& state) {
  if (const auto kind = find_attribute(info, IFLA_INFO_KIND)) state.kind = text_of(*kind);
  if (state.kind != "bridge") return;
  const auto data = find_attribute(info, IFLA_INFO_DATA);
  if (!data) return;
  if (const auto stp = find_attribute(*data, IFLA_BR_STP_STATE)) state.stp = value_of<std::uint32_t>(*stp) != 0;
}

template <std::size_t size>
std::array<std::uint8_t, size> array_of(BytesView value) {
  std::array<std::uint8_t, size> out{};
  std::copy_n(value.begin(), size, out.begin());
  return out;
}

std::optional<IpAddress> address_of(int family, BytesView value) {
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
  for_each_attribute(attributes_behind<ifinfomsg>(payload), [&](std::uint16_t type, BytesView value) {
    switch (type) {
      case IFLA_IFNAME: state.name = text_of(value); break;
      case IFLA_ADDRESS: if (value.size() == 6) state.mac = Mac{array_of<6>(value)}; break;
      case IFLA_MTU: state.mtu = value_of<std::uint32_t>(value); break;
      case IFLA_MASTER: state.master = value_of<int>(value); break;
      case IFLA_LINK: record.peer = value_of<int>(value); break;
      case IFLA_LINKINFO: read_kind(value, state); break;
      case IFLA_PROP_LIST: state.mark = first_mark(value); break;
      default: break;
    }
  });
  return record;
}

std::optional<AddressRecord> read_address(BytesView payload) {
  const auto head = value_of<ifaddrmsg>(payload);
  std::optional<IpAddress> address, local;
  std::uint8_t protocol = 0;
  for_each_attribute(attributes_behind<ifaddrmsg>(payload), [&](std::uint16_t type, BytesView value) {
    if (type == IFA_ADDRESS) address = address_of(head.ifa_family, value);
    if (type == IFA_LOCAL) local = address_of(head.ifa_family, value);  // our end; IFA_ADDRESS may be a peer's
    if (type == IFA_PROTO) protocol = value_of<std::uint8_t>(value);
  });
  const auto ours = local ? local : address;
  if (!ours || protocol == IFAPROT_KERNEL_LL) return std::nullopt;
  return AddressRecord{static_cast<int>(head.ifa_index), Cidr{*ours, head.ifa_prefixlen}};
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
