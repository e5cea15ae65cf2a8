#include "api/reader.hpp"
#include "api/timestamp.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/header_values.hpp"
#include "daemon/server/openapi.hpp"
#include "daemon/server/routes.hpp"

namespace sovirt {
namespace {

Reply restore(const Call& call) {
  auto& service = call.service;
  const auto* wait = call.request.parameter("wait");
  const auto longest = wait != nullptr ? read_wait("wait", *wait) : std::chrono::milliseconds{0};
  if (longest.count() == 0 || service.restore_finished()) return json_reply(200, service.restore_report());
  Hold hold;
  hold.longest = longest;
  hold.poll = std::chrono::milliseconds{200};  // the end of a restore need not be an event
  hold.subscribe = [&service](std::function<void()> wake) { return service.on_event(std::move(wake)); };
  hold.look = [&service](bool over) -> std::optional<Reply> {
    if (!over && !service.restore_finished()) return std::nullopt;
    return json_reply(200, service.restore_report());
  };
  Reply reply;
  reply.hold = std::make_shared<Hold>(std::move(hold));
  return reply;
}

// An action on all containers, which takes no fields.
std::function<Reply(const Call&)> for_all(Json (Service::*action)(const ChangeContext&)) {
  return [action](const Call& call) {
    const auto context = read_change(call, std::nullopt);
    std::vector<FieldError> errors;
    const Json body = read_body(call);
    ObjectReader{body, "", errors}.finish();
    throw_if_any(std::move(errors));
    return json_reply(200, (call.service.*action)(context));
  };
}

Json write_audit_row(const AuditRow& row) {
  return {{"at", rfc3339(row.at)}, {"actor", {{"uid", row.actor.uid}, {"pid", row.actor.pid}}}, {"request_id", row.actor.request_id},
          {"action", row.actor.action}, {"object", row.object}, {"status", row.status}, {"code", row.code}};
}

Reply audit(const Call& call) {
  const auto* limit = call.request.parameter("limit");
  Json items = Json::array();
  for (const auto& row : call.service.audit_rows(limit != nullptr ? read_number("limit", *limit, 1, 1000) : 100))
    items.push_back(write_audit_row(row));
  return json_reply(200, {{"items", std::move(items)}});
}

}  // namespace

void add_host_routes(Router& router, std::string version) {
  router.add({.method = "GET", .pattern = "/v1/host", .summary = "What this host is and can do", .answers = {{200, "Host", "read anew each time"}},
              .handler = [](const Call& call) { return json_reply(200, call.service.host()); }});
  router.add({.method = "GET", .pattern = "/v1/restore", .where = Where::loop, .summary = "What the last start brought back",
              .query = {{"wait", "string", "answer when nothing is pending, or after this long (30s; at most 300s)"}},
              .answers = {{200, "RestoreReport", "per object"}}, .handler = restore});
  router.add({.method = "POST", .pattern = "/v1/host/actions/stop-containers", .access = Access::write, .body = BodyKind::optional_json,
              .summary = "Shut all containers down for a shutdown of the host, and record who ran", .query = {dry_run_parameter()},
              .request_schema = "Empty", .answers = {{200, "StopReport", "per container"}}, .handler = for_all(&Service::stop_all_containers)});
  router.add({.method = "POST", .pattern = "/v1/host/actions/start-containers", .access = Access::write, .body = BodyKind::optional_json,
              .summary = "Start what a shutdown of the containers recorded, and what starts always", .query = {dry_run_parameter()},
              .request_schema = "Empty", .answers = {{200, "RestoreReport", "per object"}}, .handler = for_all(&Service::start_all_containers)});
  router.add({.method = "GET", .pattern = "/v1/audit", .access = Access::admin, .summary = "Who changed what, newest first",
              .query = {{"limit", "integer", "rows at most, 1 to 1000 (100)"}}, .answers = {{200, "AuditList", "the rows"}}, .handler = audit});
  router.add({.method = "GET", .pattern = "/healthz", .where = Where::loop, .summary = "Is the daemon well",
              .answers = {{200, "Health", "it is, or degraded"}},
              .handler = [](const Call& call) { return json_reply(200, call.service.health()); }});
  // Written once, when first asked for: no route is added after start.
  auto document = std::make_shared<std::string>();
  router.add({.method = "GET", .pattern = "/v1/openapi.json", .where = Where::loop, .summary = "This document",
              .answers = {{200, "OpenApi", "OpenAPI 3.1"}}, .handler = [&router, document, version = std::move(version)](const Call&) {
                if (document->empty()) *document = to_text(write_openapi(router, version));
                Reply reply;
                reply.body = *document;
                return reply;
              }});
}

}  // namespace sovirt
