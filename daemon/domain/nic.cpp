#include "daemon/domain/nic.hpp"

#include <algorithm>
#include <set>

#include "daemon/domain/ids.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

const Json* kept_of(const Resource& container, const char* fact, const std::string& nic) {
  const auto facts = container.facts.find(fact);
  if (facts == container.facts.end()) return nullptr;
  const auto found = facts->find(nic);
  return found == facts->end() ? nullptr : &*found;
}

Json texts(const std::vector<Cidr>& addresses) {
  Json list = Json::array();
  for (const Cidr& address : addresses) list.push_back(address.text());
  return list;
}

}  // namespace

ContainerSpec container_spec_of(const Resource& container) {
  ContainerSpec spec = read_container_spec(container.spec);
  for (NicSpec& nic : spec.nics) {
    if (!nic.automatic) continue;
    if (const Json* kept = kept_of(container, "auto", nic.name)) nic.addresses.insert(nic.addresses.begin(), Cidr::parse(kept->get<std::string>()).value());
  }
  return spec;
}

std::size_t nic_slot(const Resource& container, const std::string& nic, std::size_t index) {
  const Json* kept = kept_of(container, "slots", nic);
  return kept ? kept->get<std::size_t>() : index;
}

void keep_nic_slots(Resource& wanted, const Resource* before) {
  std::map<std::string, std::size_t> old, slots;
  if (before && before->spec.is_object())   // what a copy begins with has facts alone
    for (const Json& nic : before->spec.at("nics")) {
      const auto name = nic.at("name").get<std::string>();
      old.emplace(name, nic_slot(*before, name, old.size()));
    }
  std::set<std::size_t> used;
  const Json& nics = wanted.spec.at("nics");
  for (const Json& nic : nics)
    if (const auto known = old.find(nic.at("name").get<std::string>()); known != old.end()) {
      slots.insert(*known);
      used.insert(known->second);
    }
  wanted.facts.erase("slots");
  std::size_t next = 0;
  for (std::size_t index = 0; index < nics.size(); ++index) {
    const auto name = nics[index].at("name").get<std::string>();
    if (slots.count(name) == 0) {
      while (used.count(next) != 0) ++next;
      slots[name] = next;
      used.insert(next);
    }
    if (slots[name] != index) wanted.facts["slots"][name] = slots[name];
  }
}

std::string nic_host_name(const Resource& container, const std::string& nic, std::size_t index) {
  return nic_host_name(container.uid, nic_slot(container, nic, index));
}

std::string nic_mark(const Resource& container, const std::string& nic, std::size_t index) {
  return container.uid + ":" + nic_host_name(container, nic, index);
}

std::string nic_mark(const Json& args) { return text(args, "uid") + ":" + text(args, "host_name"); }

Mac nic_mac(const Resource& container, const NicSpec& nic) {
  if (nic.mac) return *nic.mac;
  const auto mac = Mac::parse(container.facts.at("macs").at(nic.name).get<std::string>());
  if (!mac) throw Error{Code::internal, "no MAC is kept for NIC " + nic.name + " of " + container.name};
  return *mac;
}

Json nic_args(const Resource& container, const NicSpec& nic, std::size_t index, unsigned mtu, bool isolated) {
  const std::string host_name = nic_host_name(container, nic.name, index);
  return {{"host_name", host_name},
          {"uid", container.uid},
          {"bridge", nic.bridge.value_or("")},
          {"isolated", isolated},
          {"netns", nic.netns.value_or("")},
          {"outer_name", nic.peer.name.empty() ? host_name : nic.peer.name},
          {"outer_addresses", texts(nic.peer.addresses)},
          {"name", nic.name},
          {"mac", nic_mac(container, nic).text()},
          {"mtu", nic.mtu != 0 ? nic.mtu : mtu},
          {"addresses", texts(nic.addresses)},
          {"gateway", nic.gateway ? Json(nic.gateway->text()) : Json()},
          {"egress", nic.rate.egress},
          {"ingress", nic.rate.ingress}};
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
