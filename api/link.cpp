#include "api/link.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "api/names.hpp"
#include "api/netns.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr std::uint64_t least_rate = 8'000, most_rate = 1'000'000'000'000;  // bit/s; below, one packet takes seconds
constexpr std::string_view macvlan_modes[] = {"bridge", "private", "vepa", "passthru"};

std::uint64_t rate_of(ObjectReader& in, const char* key) {
  return static_cast<std::uint64_t>(in.integer(key, least_rate, most_rate).value_or(0));
}

// {"host": true}, or an interface's name as the value. {"netns": NAME} and so on.
void read_place(ObjectReader& in, EndpointSpec& end) {
  int given = 0;
  for (const Place place : {Place::netns, Place::bridge, Place::container}) {
    const std::string key{place_text(place)};
    const auto name = in.string(key, 256);
    if (!name) continue;
    ++given;
    end.place = place;
    end.of = *name;
    if (!valid_name(*name, place == Place::bridge ? 15 : 63)) in.fail(key, "format", "\"" + *name + "\" cannot be the name of a " + key);
  }
  if (const Json* host = in.raw("host")) {
    ++given;
    if (host->is_string()) end.name = host->get<std::string>();
    else if (!host->is_boolean() || !host->get<bool>()) in.fail("host", "type", "must be true, or the name of the interface on the host");
  }
  if (given != 1) in.fail("", "required", "an endpoint is in exactly one of netns, bridge, container and host");
}

void check_end_mac(ObjectReader& in, const Mac& mac) {
  if (mac.multicast()) in.fail("mac", "multicast", mac.text() + " is a multicast address, an interface needs a unicast one");
  else if (mac.zero()) in.fail("mac", "unusable", "the MAC address of all zeros stands for none");
}

void read_end_addresses(ObjectReader& in, EndpointSpec& end, std::set<std::string>& seen) {
  end.addresses = in.cidrs("addresses").value_or(std::vector<Cidr>{});
  if (end.place == Place::bridge && !end.addresses.empty())
    in.fail("addresses", "conflict", "a port of a bridge has no addresses; they belong to the bridge");
  for (std::size_t i = 0; i < end.addresses.size(); ++i) {
    const Cidr& cidr = end.addresses[i];
    const auto index = std::to_string(i);
    if (const auto reason = cidr.unusable_for_host(); !reason.empty())
      in.fail_in("addresses", index, "unusable", cidr.text() + " cannot be a host's address: " + std::string{reason});
    if (!seen.insert(cidr.address().text()).second) in.fail_in("addresses", index, "duplicate", cidr.address().text() + " is there twice");
    if (end.mtu < 1280 && cidr.address().is_v6()) in.fail("mtu", "range", "IPv6 (" + cidr.text() + ") needs an mtu of at least 1280");
  }
}

EndpointSpec read_endpoint(ObjectReader& in, std::set<std::string>& seen) {
  EndpointSpec end;
  read_place(in, end);
  if (const auto name = in.string("name", 256)) end.name = *name;
  if ((in.has("name") || !end.name.empty()) && !valid_interface_name(end.name))
    in.fail("name", "format", "\"" + end.name + "\" cannot be an interface's name: 1 to 15 visible characters, none of / : %, not lo, all, default, . or ..");
  end.mac = in.mac("mac");
  if (end.mac) check_end_mac(in, *end.mac);
  end.mtu = static_cast<unsigned>(in.integer("mtu", 68, 65535).value_or(end.mtu));
  read_end_addresses(in, end, seen);
  end.up = in.boolean("up").value_or(true);
  end.rate = read_rate(in);
  return end;
}

// What the second end of a pair cannot be beside the first.
void check_second(ObjectReader& in, const EndpointSpec& a, const EndpointSpec& b) {
  if (a.mac && b.mac && *a.mac == *b.mac) in.fail("mac", "duplicate", "both ends cannot have the MAC " + a.mac->text());
  const auto on_host = [](const EndpointSpec& end) { return end.place == Place::host || end.place == Place::bridge; };
  const bool together = (on_host(a) && on_host(b)) || (a.place == b.place && a.of == b.of);
  if (together && !a.name.empty() && a.name == b.name)
    in.fail("name", "duplicate", "both ends would be interfaces named " + a.name + " of one namespace");
  if (a.place == Place::bridge && b.place == Place::bridge && a.of == b.of)
    in.fail("bridge", "loop", "both ends on bridge " + a.of + " would make a loop");
}

VxlanSpec read_vxlan(ObjectReader& in) {
  VxlanSpec vxlan;
  in.object("vxlan", [&](ObjectReader& o) {
    vxlan.id = static_cast<std::uint32_t>(o.integer("id", 1, 0xffffff).value_or(0));
    o.require("id");
    vxlan.remote = o.address("remote");
    vxlan.local = o.address("local");
    if (vxlan.remote && vxlan.local && vxlan.remote->is_v6() != vxlan.local->is_v6()) o.fail("local", "family", "must be of remote's family");
    vxlan.port = static_cast<std::uint16_t>(o.integer("port", 1, 65535).value_or(4789));
    vxlan.dev = o.string("dev", 256).value_or("");
    if (!vxlan.dev.empty() && !valid_interface_name(vxlan.dev)) o.fail("dev", "format", "not the name of an interface");
  });
  return vxlan;
}

void read_type_fields(ObjectReader& in, LinkSpec& spec) {
  spec.vxlan = read_vxlan(in);
  spec.parent = in.string("parent", 256).value_or("");
  const auto mode = in.choice("mode", {macvlan_modes[0], macvlan_modes[1], macvlan_modes[2], macvlan_modes[3]});
  spec.mode = macvlan_modes[mode.value_or(0)];
  if (spec.type == LinkType::vxlan) in.require("vxlan");
  else if (in.has("vxlan")) in.fail("vxlan", "conflict", "only a link of type vxlan has it");
  if (spec.type == LinkType::macvlan) {
    in.require("parent");
    if (in.has("parent") && !valid_interface_name(spec.parent)) in.fail("parent", "format", "not the name of an interface");
  } else {
    for (const char* key : {"parent", "mode"})
      if (in.has(key)) in.fail(key, "conflict", "only a link of type macvlan has it");
  }
}

Json write_endpoint(const EndpointSpec& end) {
  Json addresses = Json::array();
  for (const Cidr& cidr : end.addresses) addresses.push_back(cidr.text());
  return {{std::string{place_text(end.place)}, end.place == Place::host ? Json(true) : Json(end.of)},
          {"name", end.name.empty() ? Json() : Json(end.name)},
          {"mac", end.mac ? Json(end.mac->text()) : Json()},
          {"addresses", std::move(addresses)},
          {"mtu", end.mtu},
          {"up", end.up},
          {"rate", write_rate(end.rate)}};
}

}  // namespace

std::string_view link_type_text(LinkType type) noexcept {
  switch (type) {
    case LinkType::veth: return "veth";
    case LinkType::vxlan: return "vxlan";
    case LinkType::macvlan: return "macvlan";
    case LinkType::dummy: return "dummy";
  }
  return "";
}

std::string_view place_text(Place place) noexcept {
  switch (place) {
    case Place::host: return "host";
    case Place::netns: return "netns";
    case Place::bridge: return "bridge";
    case Place::container: return "container";
  }
  return "";
}

RateSpec read_rate(ObjectReader& in) {
  RateSpec rate;
  in.object("rate", [&](ObjectReader& o) {
    rate.egress = rate_of(o, "egress");
    rate.ingress = rate_of(o, "ingress");
  });
  return rate;
}

Json write_rate(const RateSpec& rate) {
  return {{"egress", rate.egress != 0 ? Json(rate.egress) : Json()}, {"ingress", rate.ingress != 0 ? Json(rate.ingress) : Json()}};
}

LinkSpec read_link_spec(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  LinkSpec spec;
  constexpr LinkType types[] = {LinkType::veth, LinkType::vxlan, LinkType::macvlan, LinkType::dummy};
  spec.type = types[in.choice("type", {"veth", "vxlan", "macvlan", "dummy"}).value_or(0)];
  std::set<std::string> seen;
  in.objects("endpoints", 2, [&](ObjectReader& end, std::size_t) {
    spec.endpoints.push_back(read_endpoint(end, seen));
    if (spec.type != LinkType::veth && spec.endpoints.back().rate.ingress != 0)
      end.fail("rate", "conflict", "what arrives is limited where it is sent, and only a pair has its other end here");
    if (spec.type == LinkType::veth && spec.endpoints.size() == 2) check_second(end, spec.endpoints[0], spec.endpoints[1]);
  });
  const std::size_t wanted = spec.type == LinkType::veth ? 2 : 1;
  in.require("endpoints");
  if (const Json* ends = in.raw("endpoints"); ends && ends->is_array() && ends->size() <= 2 && ends->size() != wanted)
    in.fail("endpoints", "range", "a link of type " + std::string{link_type_text(spec.type)} + " has " + std::to_string(wanted) + " endpoint(s)");
  read_type_fields(in, spec);
  spec.policy = in.choice("policy", {"repair", "observe"}).value_or(0) == 1 ? Policy::observe : Policy::repair;
  in.finish();
  throw_if_any(std::move(errors));
  return spec;
}

Json write_link_spec(const LinkSpec& spec) {
  Json ends = Json::array();
  for (const EndpointSpec& end : spec.endpoints) ends.push_back(write_endpoint(end));
  Json json{{"type", link_type_text(spec.type)}, {"endpoints", std::move(ends)}, {"policy", spec.policy == Policy::observe ? "observe" : "repair"}};
  if (spec.type == LinkType::vxlan)
    json["vxlan"] = {{"id", spec.vxlan.id},
                     {"remote", spec.vxlan.remote ? Json(spec.vxlan.remote->text()) : Json()},
                     {"local", spec.vxlan.local ? Json(spec.vxlan.local->text()) : Json()},
                     {"port", spec.vxlan.port},
                     {"dev", spec.vxlan.dev.empty() ? Json() : Json(spec.vxlan.dev)}};
  if (spec.type == LinkType::macvlan) {
    json["parent"] = spec.parent;
    json["mode"] = spec.mode;
  }
  return json;
}

}  // namespace sovirt
