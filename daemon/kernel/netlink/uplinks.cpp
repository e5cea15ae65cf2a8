#include "daemon/kernel/netlink/uplinks.hpp"

#include <linux/if_addr.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <nlohmann/json.hpp>

#include "daemon/kernel/netlink/records.hpp"

namespace sovirt::netlink {
namespace {

// Attributes are read and written raw: whatever the kernel says of a route or an address, it is told again.
struct Attribute {
  std::uint16_t type = 0;
  BytesView value;
};

std::vector<Attribute> attributes_of(BytesView bytes) {
  std::vector<Attribute> all;
  while (bytes.size() >= sizeof(nlattr)) {
    const auto head = value_of<nlattr>(bytes);
    if (head.nla_len < sizeof(nlattr) || head.nla_len > bytes.size()) break;
    all.push_back({static_cast<std::uint16_t>(head.nla_type & NLA_TYPE_MASK), bytes.subspan(sizeof(nlattr), head.nla_len - sizeof(nlattr))});
    bytes = bytes.subspan(std::min<std::size_t>(NLMSG_ALIGN(head.nla_len), bytes.size()));
  }
  return all;
}

std::string to_text(const Bytes& bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) (text += digits[byte >> 4]) += digits[byte & 15];
  return text;
}

Bytes from_text(const std::string& text) {
  const auto digit = [](char c) { return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  Bytes bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2) bytes.push_back(static_cast<std::uint8_t>(digit(text[at]) << 4 | digit(text[at + 1])));
  return bytes;
}

std::optional<IpAddress> address_in(int family, BytesView value) {
  if (family == AF_INET && value.size() == 4) return IpAddress::v4({value[0], value[1], value[2], value[3]});
  if (family != AF_INET6 || value.size() != 16) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  std::copy(value.begin(), value.end(), bytes.begin());
  return IpAddress::v6(bytes);
}

bool is_multicast_or_link_local(const IpAddress& address) {
  return address.is_v6() && (address.bytes()[0] == 0xff || (address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80));
}

// Routes that stand by themselves: unicast ones of this link, not those of a table or a prefix the kernel keeps.
bool worth_moving(BytesView payload, int ifindex) {
  const auto head = value_of<rtmsg>(payload);
  if (head.rtm_type != RTN_UNICAST || head.rtm_table == RT_TABLE_LOCAL || (head.rtm_flags & RTM_F_CLONED) != 0) return false;
  bool ours = false;
  for (const Attribute& one : attributes_of(attributes_behind<rtmsg>(payload))) {
    if (one.type == RTA_OIF) ours = value_of<int>(one.value) == ifindex;
    if (one.type != RTA_DST) continue;
    const auto to = address_in(head.rtm_family, one.value);
    if (to && is_multicast_or_link_local(*to)) return false;
  }
  return ours;
}

bool has_gateway(BytesView payload) {
  const auto all = attributes_of(attributes_behind<rtmsg>(payload));
  return std::any_of(all.begin(), all.end(), [](const Attribute& one) { return one.type == RTA_GATEWAY || one.type == RTA_VIA; });
}

void put_route(Batch& batch, std::uint16_t type, std::uint16_t flags, BytesView payload, int ifindex) {
  auto head = value_of<rtmsg>(payload);
  head.rtm_flags &= RTNH_F_ONLINK;   // the others are the kernel's answers: dead, linkdown, offload
  batch.begin(type, flags, head);
  for (const Attribute& one : attributes_of(attributes_behind<rtmsg>(payload))) {
    if (one.type == RTA_OIF) batch.put_number<std::uint32_t>(RTA_OIF, static_cast<std::uint32_t>(ifindex));
    else if (one.type != RTA_CACHEINFO) batch.put(one.type, one.value);
  }
}

void put_address(Batch& batch, std::uint16_t type, std::uint16_t flags, BytesView payload, int ifindex) {
  auto head = value_of<ifaddrmsg>(payload);
  head.ifa_index = static_cast<std::uint32_t>(ifindex);
  head.ifa_flags = 0;
  batch.begin(type, flags, head);
  for (const Attribute& one : attributes_of(attributes_behind<ifaddrmsg>(payload))) {
    if (one.type == IFA_LABEL) continue;   // begins with the name of the link it was on
    if (one.type != IFA_FLAGS) {
      batch.put(one.type, one.value);
      continue;
    }
    // This host has had the address all along: nobody need be asked whether it is free.
    const std::uint32_t kept = value_of<std::uint32_t>(one.value) & (IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN);
    batch.put_number<std::uint32_t>(IFA_FLAGS, kept | (head.ifa_family == AF_INET6 ? IFA_F_NODAD : 0U));
  }
}

bool is_absence(int error) { return error == ESRCH || error == EADDRNOTAVAIL || error == ENOENT || error == ENODEV; }

class KernelUplinks final : public Uplinks {
 public:
  Belongings belongings(std::string_view link) override {
    Socket socket;
    const int ifindex = require_link(socket, link).state.ifindex;
    Belongings all;
    collect_addresses(socket, ifindex, all);
    collect_routes(socket, ifindex, all);
    return all;
  }

  void give(std::string_view link, const Belongings& all) override {
    Socket socket;
    const int ifindex = require_link(socket, link).state.ifindex;
    // One after the other: a route needs the addresses and routes before it.
    for (const std::string& text : all.address_data)
      send(socket, link, "RTM_NEWADDR", [&](Batch& batch) { put_address(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, from_text(text), ifindex); });
    for (const std::string& text : all.route_data)
      send(socket, link, "RTM_NEWROUTE", [&](Batch& batch) { put_route(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, from_text(text), ifindex); });
  }

  void take(std::string_view link, const Belongings& all) override {
    Socket socket;
    const auto found = get_link(socket, link);
    if (!found) return;
    const int ifindex = found->state.ifindex;
    for (auto text = all.route_data.rbegin(); text != all.route_data.rend(); ++text)
      send(socket, link, "RTM_DELROUTE", [&](Batch& batch) { put_route(batch, RTM_DELROUTE, 0, from_text(*text), ifindex); });
    for (const std::string& text : all.address_data)
      send(socket, link, "RTM_DELADDR", [&](Batch& batch) { put_address(batch, RTM_DELADDR, 0, from_text(text), ifindex); });
  }

  Belongings reachable(const Belongings& all, const std::vector<Cidr>& subnets) const override {
    Belongings chosen;
    for (const std::string& text : all.route_data) {
      const Bytes payload = from_text(text);
      const int family = value_of<rtmsg>(payload).rtm_family;
      bool by_gateway = false, by_source = false;
      for (const Attribute& one : attributes_of(attributes_behind<rtmsg>(payload))) {
        const auto address = address_in(family, one.value);
        if (one.type == RTA_GATEWAY && address)
          by_gateway = std::any_of(subnets.begin(), subnets.end(), [&](const Cidr& cidr) { return cidr.contains(*address); });
        if (one.type == RTA_PREFSRC) by_source = true;   // an address the bridge does not get
      }
      if (by_gateway && !by_source) chosen.route_data.push_back(text);
    }
    return chosen;
  }

 private:
  template <class Put>
  static void send(Socket& socket, std::string_view link, const char* name, Put put) {
    Batch batch;
    put(batch);
    const auto outcome = socket.transact(batch).front();
    if (outcome.error == EEXIST || (name[4] == 'D' && is_absence(outcome.error))) return;
    expect(outcome, name, std::string{link});
  }

  static void collect_addresses(Socket& socket, int ifindex, Belongings& all) {
    Batch batch;
    ifaddrmsg head{};
    head.ifa_index = static_cast<std::uint32_t>(ifindex);
    batch.begin(RTM_GETADDR, NLM_F_DUMP, head);
    for (const Bytes& payload : socket.dump(batch, "RTM_GETADDR")) {
      const auto record = read_address(payload);
      const auto scope = value_of<ifaddrmsg>(payload).ifa_scope;
      if (!record || record->ifindex != ifindex || (record->cidr.address().is_v6() && scope == RT_SCOPE_LINK)) continue;
      all.addresses.push_back(record->cidr);
      all.address_data.push_back(to_text(payload));
    }
  }

  static void collect_routes(Socket& socket, int ifindex, Belongings& all) {
    std::vector<std::string> behind;
    for (const int family : {AF_INET, AF_INET6}) {
      Batch batch;
      rtmsg head{};
      head.rtm_family = static_cast<unsigned char>(family);
      batch.begin(RTM_GETROUTE, NLM_F_DUMP, head);
      for (const Bytes& payload : socket.dump(batch, "RTM_GETROUTE"))
        if (worth_moving(payload, ifindex)) (has_gateway(payload) ? behind : all.route_data).push_back(to_text(payload));
    }
    all.route_data.insert(all.route_data.end(), behind.begin(), behind.end());
  }
};

}  // namespace
}  // namespace sovirt::netlink

namespace sovirt {

std::unique_ptr<Uplinks> make_uplinks() { return std::make_unique<netlink::KernelUplinks>(); }

}  // namespace sovirt
