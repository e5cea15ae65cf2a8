#include "daemon/domain/nic.hpp"

#include "daemon/domain/ids.hpp"

namespace sovirt {

Mac nic_mac(const Resource& container, const NicSpec& nic) {
  if (nic.mac) return *nic.mac;
  const auto mac = Mac::parse(container.facts.at("macs").at(nic.name).get<std::string>());
  if (!mac) throw Error{Code::internal, "no MAC is kept for NIC " + nic.name + " of " + container.name};
  return *mac;
}

Json nic_args(const Resource& container, const NicSpec& nic, std::size_t index, unsigned mtu) {
  Json addresses = Json::array();
  for (const Cidr& address : nic.addresses) addresses.push_back(address.text());
  return {{"host_name", nic_host_name(container.uid, index)},
          {"uid", container.uid},
          {"bridge", nic.bridge.value_or("")},
          {"name", nic.name},
          {"mac", nic_mac(container, nic).text()},
          {"mtu", nic.mtu != 0 ? nic.mtu : mtu},
          {"addresses", std::move(addresses)},
          {"gateway", nic.gateway ? Json(nic.gateway->text()) : Json()}};
}

NicPlug read_nic_args(const Json& args, int netns) {
  NicPlug plug;
  plug.host_name = args.at("host_name").get<std::string>();
  plug.uid = args.at("uid").get<std::string>();
  plug.bridge = args.at("bridge").get<std::string>();
  plug.netns = netns;
  plug.name = args.at("name").get<std::string>();
  plug.mac = Mac::parse(args.at("mac").get<std::string>()).value();
  plug.mtu = args.at("mtu").get<unsigned>();
  plug.isolated = args.value("isolated", false);
  for (const Json& address : args.at("addresses")) plug.addresses.push_back(Cidr::parse(address.get<std::string>()).value());
  if (args.at("gateway").is_string()) plug.gateway = IpAddress::parse(args.at("gateway").get<std::string>());
  return plug;
}

}  // namespace sovirt
