#include "api/netns.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "api/names.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr std::size_t most_routes = 256;

bool word_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// "net.a.b": words between dots, none of them empty. An interface's name with a dot in it cannot be said this way.
std::string_view wrong_sysctl(std::string_view key) noexcept {
  if (!key.starts_with("net.")) return "only settings of the network (net.*) belong to a network namespace";
  char before = '.';
  for (const char c : key) {
    if (c == '.' && before == '.') return "the words of a setting's name cannot be empty";
    if (c != '.' && !word_letter(c)) return "a setting's name is words of letters, digits, _ and - with dots between";
    before = c;
  }
  return before == '.' ? "the words of a setting's name cannot be empty" : "";
}

std::map<std::string, std::string> read_sysctls(ObjectReader& in) {
  std::map<std::string, std::string> sysctls;
  in.object("sysctls", [&](ObjectReader& all) {
    const Json* object = in.raw("sysctls");
    for (const auto& [key, value] : object->items()) {
      const Json* one = all.raw(key);
      if (one == nullptr) continue;
      if (const auto wrong = wrong_sysctl(key); !wrong.empty()) all.fail(key, "format", std::string{wrong});
      // The kernel's files hold text; 1 and true are what people write.
      const std::string text = one->is_string()           ? one->get<std::string>()
                               : one->is_boolean()        ? (one->get<bool>() ? "1" : "0")
                               : one->is_number_integer() ? one->dump()
                                                          : "";
      if (text.empty() || text.size() > 4096 || text.find('\n') != text.npos)
        all.fail(key, "type", "a value is one line of text, a whole number or a boolean");
      sysctls[key] = text;
    }
  });
  return sysctls;
}

void read_destination(ObjectReader& in, RouteSpec& route) {
  const auto text = in.string("to", 64);
  in.require("to");
  if (!text || *text == "default") return;
  route.to = Cidr::parse(*text);
  if (!route.to)
    if (const auto host = IpAddress::parse(*text)) route.to = Cidr{*host, host->is_v6() ? 128U : 32U};
  if (!route.to) return in.fail("to", "format", "\"" + *text + "\" is neither \"default\" nor ADDRESS/PREFIX");
  if (route.to->network() != route.to->address())
    in.fail("to", "format", route.to->text() + " has bits behind its prefix; the network is " + Cidr{route.to->network(), route.to->prefix()}.text());
  if (route.to->prefix() == 0) route.to = std::nullopt;
}

RouteSpec read_one_route(ObjectReader& in) {
  RouteSpec route;
  read_destination(in, route);
  route.via = in.address("via");
  route.dev = in.string("dev", 256);
  if (route.dev && *route.dev != "lo" && !valid_interface_name(*route.dev)) in.fail("dev", "format", "not the name of an interface");
  if (!route.via && !route.dev) in.fail("via", "required", "a route needs a gateway (via), an interface (dev) or both");
  if (route.via && route.to && route.via->is_v6() != route.to->address().is_v6())
    in.fail("via", "family", "gateway and destination must both be IPv4 or both IPv6");
  return route;
}

}  // namespace

std::string sysctl_interface(std::string_view key) {
  for (const std::string_view front : {"net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.", "net.ipv6.neigh.", "net.mpls.conf."}) {
    if (!key.starts_with(front)) continue;
    const auto name = key.substr(front.size(), key.find('.', front.size()) - front.size());
    return name == "all" || name == "default" || name == "lo" ? "" : std::string{name};
  }
  return "";
}

std::string RouteSpec::text() const {
  return (to ? to->text() : "default") + (via ? " via " + via->text() : "") + (dev ? " dev " + *dev : "");
}

Json write_route(const RouteSpec& route) {
  return {{"to", route.to ? route.to->text() : "default"},
          {"via", route.via ? Json(route.via->text()) : Json()},
          {"dev", route.dev ? Json(*route.dev) : Json()}};
}

RouteSpec read_route(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  RouteSpec route = read_one_route(in);
  throw_if_any(std::move(errors));
  return route;
}

NetnsSpec read_netns_spec(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  NetnsSpec spec;
  spec.adopt = in.boolean("adopt").value_or(spec.adopt);
  spec.sysctls = read_sysctls(in);
  in.objects("routes", most_routes, [&](ObjectReader& route, std::size_t) {
    RouteSpec one = read_one_route(route);
    const auto same = [&](const RouteSpec& other) { return other.to == one.to && other.is_v6() == one.is_v6(); };
    if (std::any_of(spec.routes.begin(), spec.routes.end(), same)) route.fail("to", "duplicate", "there is a route to there already");
    spec.routes.push_back(std::move(one));
  });
  spec.policy = in.choice("policy", {"repair", "observe"}).value_or(0) == 1 ? Policy::observe : Policy::repair;
  in.finish();
  throw_if_any(std::move(errors));
  return spec;
}

Json write_netns_spec(const NetnsSpec& spec) {
  Json routes = Json::array();
  for (const RouteSpec& route : spec.routes) routes.push_back(write_route(route));
  Json sysctls = Json::object();
  for (const auto& [key, value] : spec.sysctls) sysctls[key] = value;
  return {{"adopt", spec.adopt},
          {"sysctls", std::move(sysctls)},
          {"routes", std::move(routes)},
          {"policy", spec.policy == Policy::observe ? "observe" : "repair"}};
}

}  // namespace sovirt
