#include "api/probe.hpp"

#include <nlohmann/json.hpp>

#include "api/names.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

void read_from(ObjectReader& in, ProbeRequest& request) {
  int given = 0;
  for (const Place place : {Place::netns, Place::container}) {
    const std::string key{place_text(place)};
    const auto name = in.string(key, 256);
    if (!name) continue;
    ++given;
    request.from = place;
    request.of = *name;
    if (!valid_name(*name)) in.fail(key, "format", "\"" + *name + "\" cannot be the name of a " + key);
  }
  if (const auto host = in.boolean("host")) {
    ++given;
    if (!*host) in.fail("host", "type", "must be true");
  }
  if (given != 1) in.fail("", "required", "a probe starts in exactly one of netns, container and host");
}

}  // namespace

ProbeRequest read_probe_request(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  ProbeRequest request;
  request.tcp = in.choice("type", {"ping", "tcp"}).value_or(0) == 1;
  in.require("type");
  in.require("from");
  in.object("from", [&](ObjectReader& from) { read_from(from, request); });
  in.require("to");
  if (const auto to = in.address("to")) request.to = *to;
  const auto port = in.integer("port", 1, 65535);
  request.port = static_cast<std::uint16_t>(port.value_or(0));
  if (request.tcp) in.require("port");
  else if (in.has("port")) in.fail("port", "conflict", "a ping has no port");
  request.timeout = std::chrono::milliseconds{in.integer("timeout_ms", 10, 60'000).value_or(1000)};
  in.finish();
  throw_if_any(std::move(errors));
  return request;
}

}  // namespace sovirt
