#include "daemon/server/handling.hpp"
#include "daemon/server/header_values.hpp"
#include "daemon/server/routes.hpp"

namespace sovirt {
namespace {

Reply one(const Call& call) {
  auto& service = call.service;
  const std::string& id = name_of(call);
  const Json operation = service.operation(id);
  const auto* wait = call.request.parameter("wait");
  const auto longest = wait != nullptr ? read_wait("wait", *wait) : std::chrono::milliseconds{0};
  if (longest.count() == 0 || has_ended(operation)) return json_reply(200, operation);
  Reply reply;
  reply.hold = std::make_shared<Hold>(operation_hold(service, id, longest, [&service, id](bool over) -> std::optional<Reply> {
    const Json now = service.operation(id);
    if (!has_ended(now) && !over) return std::nullopt;
    return json_reply(200, now);
  }));
  return reply;
}

}  // namespace

void add_operation_routes(Router& router) {
  router.add({.method = "GET", .pattern = "/v1/operations", .where = Where::loop, .summary = "List operations",
              .query = list_parameters(true), .answers = {{200, "OperationList", "a page"}},
              .handler = [](const Call& call) { return json_reply(200, write_page(call.service.operations(read_list_query(call.request)))); }});
  router.add({.method = "GET", .pattern = "/v1/operations/{id}", .where = Where::loop, .summary = "One operation",
              .query = {{"wait", "string", "answer when it has ended, or after this long (30s; at most 300s)"}},
              .answers = {{200, "Operation", "as it is now"}}, .handler = one});
  router.add({.method = "DELETE", .pattern = "/v1/operations/{id}", .access = Access::write, .summary = "Cancel an operation",
              .answers = {{200, "Operation", "it ends soon"}},
              .handler = [](const Call& call) { return json_reply(200, call.service.cancel(name_of(call))); }});
}

}  // namespace sovirt
