#include "daemon/base/error.hpp"
#include "daemon/server/event_feed.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/header_values.hpp"
#include "daemon/server/routes.hpp"
#include "daemon/server/upgrade.hpp"

namespace sovirt {
namespace {

// What EventSource sends after a break of the connection is newer than what its URL says.
std::optional<std::int64_t> read_position(const Request& request) {
  if (const auto* last = request.header("last-event-id"); last != nullptr && !last->empty()) {
    try {
      return static_cast<std::int64_t>(read_number("Last-Event-ID", *last, 0, INT64_MAX));
    } catch (const Error& error) {
      throw Error{Code::malformed, error.detail()};
    }
  }
  const auto* since = request.parameter("since");
  if (since == nullptr) return std::nullopt;
  return static_cast<std::int64_t>(read_number("since", *since, 0, INT64_MAX));
}

Reply stream(const Call& call) {
  if (wants_upgrade(call.request)) check_upgrade(call.request, "");
  EventFilter filter;
  if (const auto* kind = call.request.parameter("kind")) filter.kind = *kind;
  if (const auto* name = call.request.parameter("name")) filter.name = *name;
  if (const auto* type = call.request.parameter("type")) filter.type = *type;
  Reply reply;
  reply.content_type = "text/event-stream";
  reply.headers.push_back({"Cache-Control", "no-store"});
  reply.stream = std::make_shared<EventFeed>(call.service, read_position(call.request), std::move(filter));
  return reply;
}

}  // namespace

void add_event_routes(Router& router) {
  router.add({.method = "GET", .pattern = "/v1/events", .where = Where::loop,
              .summary = "Everything that happens, as server-sent events; `reset` says that some are missed. With Upgrade: websocket the same "
                         "documents as text messages, one each",
              .query = {{"since", "integer", "begin after this id; `seq` of a list; Last-Event-ID goes before it"},
                        {"kind", "string", "of the object"},
                        {"name", "string", "of the object"},
                        {"type", "string", "of the event"}},
              .answers = {{200, "Event", "data of each event, until the client closes"}, {101, "", "as messages, with an upgrade"}},
              .produces = "text/event-stream", .handler = stream});
}

}  // namespace sovirt
