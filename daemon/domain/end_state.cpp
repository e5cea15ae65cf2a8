#include "daemon/domain/end_state.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

bool same_addresses(std::vector<Cidr> a, std::vector<Cidr> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

}  // namespace

Json write_end_state(const EndState& state) {
  Json addresses = Json::array();
  for (const Cidr& cidr : state.addresses) addresses.push_back(cidr.text());
  return {{"name", state.name}, {"mac", state.mac.text()}, {"mtu", state.mtu}, {"up", state.up}, {"bridge", state.bridge},
          {"addresses", std::move(addresses)}, {"egress", state.egress}};
}

EndState read_end_state(const Json& json) {
  EndState state;
  state.name = text(json, "name");
  state.mac = Mac::parse(text(json, "mac")).value();
  state.mtu = json.at("mtu").get<unsigned>();
  state.up = json.at("up").get<bool>();
  state.bridge = text(json, "bridge");
  for (const Json& one : json.at("addresses")) state.addresses.push_back(Cidr::parse(one.get<std::string>()).value());
  state.egress = json.at("egress").get<std::uint64_t>();
  return state;
}

std::string end_difference(const EndState& is, const EndState& wanted) {
  std::string out;
  const auto say = [&](bool differs, const std::string& what) {
    if (differs) out += (out.empty() ? "" : ", ") + what;
  };
  say(is.name != wanted.name, "name " + wanted.name);
  say(is.mac != wanted.mac, "mac " + wanted.mac.text());
  say(is.mtu != wanted.mtu, "mtu " + std::to_string(wanted.mtu));
  say(is.bridge != wanted.bridge, wanted.bridge.empty() ? "no bridge" : "port of " + wanted.bridge);
  say(is.up != wanted.up, wanted.up ? "up" : "down");
  std::string addresses;
  for (const Cidr& cidr : wanted.addresses) addresses += " " + cidr.text();
  say(!same_addresses(is.addresses, wanted.addresses), addresses.empty() ? "no addresses" : "addresses" + addresses);
  say(is.egress / 8 != wanted.egress / 8, wanted.egress == 0 ? "no rate" : "rate " + std::to_string(wanted.egress) + " bit/s");
  return out;
}

}  // namespace sovirt
