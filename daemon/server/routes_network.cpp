#include "daemon/domain/network_tools.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/routes.hpp"

namespace sovirt {
namespace {

Reply sockets(const Call& call) { return json_reply(200, call.service.network_tools().sockets(name_of(call))); }

Reply exec(const Call& call) {
  const auto context = read_change(call, Kind::netns);
  const auto request = read_exec_request(read_body(call));
  return json_reply(200, write_exec_result(call.service.network_tools().exec(name_of(call), request, context)));
}

Reply probe(const Call& call) { return json_reply(200, call.service.network_tools().probe(read_probe_request(read_body(call)))); }

Reply addresses(const Call& call) { return json_reply(200, call.service.network_tools().addresses()); }

}  // namespace

void add_network_routes(Router& router) {
  const std::string one = "/v1/netns/{name}";
  router.add({.method = "GET", .pattern = one + "/sockets", .summary = "TCP and UDP sockets in it, and whose they are",
              .answers = {{200, "SocketList", "as the kernel has them now"}}, .kind = Kind::netns, .handler = sockets});
  router.add({.method = "POST", .pattern = "/v1/probes", .access = Access::write, .body = BodyKind::json,
              .summary = "Does a packet come through, and if not, what stops it", .request_schema = "ProbeRequest",
              .answers = {{200, "Probe", "what became of it"}}, .handler = probe});
  router.add({.method = "GET", .pattern = "/v1/addresses", .summary = "Every MAC and IP address in use, and its holder",
              .answers = {{200, "AddressList", "of sovirt's objects and the host's interfaces"}}, .handler = addresses});
  router.add({.method = "POST", .pattern = one + "/exec", .access = Access::write, .body = BodyKind::json,
              .summary = "Run a command of the host in it and wait for its end", .request_schema = "ExecRequest",
              .answers = {{200, "ExecResult", "it has ended"}}, .kind = Kind::netns, .handler = exec});
}

}  // namespace sovirt
