#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "daemon/kernel/namespace/look.hpp"
#include "daemon/kernel/netlink/records.hpp"

namespace sovirt::netns {
namespace {

using netlink::our_route_protocol;

std::optional<IpAddress> address_of(int family, const std::optional<netlink::BytesView>& bytes) {
  if (!bytes) return std::nullopt;
  if (family == AF_INET && bytes->size() == 4) return IpAddress::v4(netlink::value_of<std::array<std::uint8_t, 4>>(*bytes));
  if (family == AF_INET6 && bytes->size() == 16) return IpAddress::v6(netlink::value_of<std::array<std::uint8_t, 16>>(*bytes));
  return std::nullopt;
}

std::optional<RouteState> read_route_message(netlink::BytesView payload, const std::map<int, std::string>& names) {
  const auto head = netlink::value_of<rtmsg>(payload);
  if (head.rtm_type != RTN_UNICAST || head.rtm_table != RT_TABLE_MAIN) return std::nullopt;
  const auto attributes = netlink::attributes_behind<rtmsg>(payload);
  RouteState state;
  state.ours = head.rtm_protocol == our_route_protocol;
  if (const auto to = address_of(head.rtm_family, netlink::find_attribute(attributes, RTA_DST))) state.route.to = Cidr{*to, head.rtm_dst_len};
  state.route.via = address_of(head.rtm_family, netlink::find_attribute(attributes, RTA_GATEWAY));
  if (const auto index = netlink::find_attribute(attributes, RTA_OIF))
    if (const auto name = names.find(netlink::value_of<int>(*index)); name != names.end()) state.route.dev = name->second;
  return state;
}

void put_route(netlink::Batch& batch, std::uint16_t type, std::uint16_t flags, const RouteSpec& route, int ifindex) {
  rtmsg head{};
  head.rtm_family = route.is_v6() ? AF_INET6 : AF_INET;
  head.rtm_dst_len = route.to ? static_cast<std::uint8_t>(route.to->prefix()) : std::uint8_t{0};
  head.rtm_table = RT_TABLE_MAIN;
  head.rtm_protocol = our_route_protocol;
  head.rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : route.via || route.is_v6() ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  head.rtm_type = RTN_UNICAST;
  batch.begin(type, flags, head);
  if (route.to) batch.put(RTA_DST, {route.to->address().bytes(), route.to->address().size()});
  if (route.via) batch.put(RTA_GATEWAY, {route.via->bytes(), route.via->size()});
  if (ifindex != 0) batch.put_number<std::uint32_t>(RTA_OIF, static_cast<std::uint32_t>(ifindex));
}

int index_of(netlink::Socket& socket, const RouteSpec& route) {
  return route.dev ? netlink::require_link(socket, *route.dev).state.ifindex : 0;
}

}  // namespace

std::vector<RouteState> routes(netlink::Socket& socket) {
  const auto known = names(socket);
  std::vector<RouteState> out;
  for (const std::uint8_t family : {AF_INET, AF_INET6}) {
    netlink::Batch batch;
    rtmsg head{};
    head.rtm_family = family;
    head.rtm_table = RT_TABLE_MAIN;
    batch.begin(RTM_GETROUTE, NLM_F_DUMP, head);
    netlink::Dump dump;
    try {
      dump = socket.dump(batch, "RTM_GETROUTE");
    } catch (const Error& error) {
      if (error.error_number() != ENOENT) throw;   // a table without routes does not exist
    }
    for (const auto& payload : dump)
      if (auto route = read_route_message(payload, known)) out.push_back(std::move(*route));
  }
  return out;
}

bool add_route(netlink::Socket& socket, const RouteSpec& route) {
  netlink::Batch batch;
  put_route(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route, index_of(socket, route));
  const auto outcome = socket.transact(batch).front();
  if (outcome.error == EEXIST) {
    for (const RouteState& there : routes(socket))
      if (there.ours && there.route.to == route.to && there.route.is_v6() == route.is_v6() && (!route.via || there.route.via == route.via) &&
          (!route.dev || there.route.dev == route.dev))
        return false;
    throw Error{Code::conflict, "there is another route to " + (route.to ? route.to->text() : "the default destination")}.with_errno(EEXIST, "RTM_NEWROUTE");
  }
  netlink::expect(outcome, "RTM_NEWROUTE", route.text());
  return true;
}

bool remove_route(netlink::Socket& socket, const RouteSpec& route) {
  int ifindex = 0;
  if (route.dev) {
    const auto link = netlink::get_link(socket, *route.dev);
    if (!link) return false;
    ifindex = link->state.ifindex;
  }
  netlink::Batch batch;
  put_route(batch, RTM_DELROUTE, 0, route, ifindex);
  const auto outcome = socket.transact(batch).front();
  if (outcome.error == ESRCH || outcome.error == ENODEV) return false;
  netlink::expect(outcome, "RTM_DELROUTE", route.text());
  return true;
}

}  // namespace sovirt::netns
