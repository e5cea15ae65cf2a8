#include <signal.h>

#include "api/reader.hpp"
#include "daemon/domain/checkpoints.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/header_values.hpp"
#include "daemon/server/routes.hpp"
#include "daemon/server/signal_names.hpp"

namespace sovirt {
namespace {

constexpr std::uint64_t most_log_bytes = 1 << 20;

int read_signal(const Json& body) {
  std::vector<FieldError> errors;
  ObjectReader in{body, "", errors};
  const Json* given = in.raw("signal");
  const int signal = given == nullptr ? SIGTERM : read_signal_number(*given);
  if (signal == 0) in.fail("signal", "format", "a signal is a name like TERM or RTMIN+3, or a number");
  in.finish();
  throw_if_any(std::move(errors));
  return signal;
}

std::optional<std::chrono::seconds> read_timeout(const Json& body) {
  std::vector<FieldError> errors;
  ObjectReader in{body, "", errors};
  const auto seconds = in.integer("timeout", 0, 3600);
  in.finish();
  throw_if_any(std::move(errors));
  return seconds ? std::optional{std::chrono::seconds{*seconds}} : std::nullopt;
}

Reply set_state(const Call& call) {
  const auto context = read_change(call, Kind::container);
  const auto request = read_state_request(read_body(call));
  return write_change(call, call.service.set_state(name_of(call), request, context), Kind::container, name_of(call));
}

Reply restart(const Call& call) {
  const auto context = read_change(call, Kind::container);
  const auto timeout = read_timeout(read_body(call));
  return write_change(call, call.service.restart(name_of(call), timeout, context), Kind::container, name_of(call));
}

Reply kill(const Call& call) {
  const auto context = read_change(call, Kind::container);
  const int signal = read_signal(read_body(call));
  call.service.kill(name_of(call), signal, context);
  return empty_reply();
}

Reply checkpoint(const Call& call) {
  read_change(call, Kind::container);
  call.service.checkpoints().checkpoint(name_of(call));
  return empty_reply();
}

Reply exec(const Call& call) {
  const auto context = read_change(call, Kind::container);
  const auto request = read_exec_request(read_body(call));
  return json_reply(200, write_exec_result(call.service.exec(name_of(call), request, context)));
}

// The log is bytes and is answered as such; a client that asks for JSON alone gets it in a document.
Reply log(const Call& call) {
  const Request& request = call.request;
  const auto* since = request.parameter("since");
  const auto* limit = request.parameter("limit");
  const auto from = since != nullptr ? read_number("since", *since, 0, INT64_MAX) : 0;
  const auto most = limit != nullptr ? read_number("limit", *limit, 1, most_log_bytes) : most_log_bytes;
  auto log = call.service.log(name_of(call), from, most);
  const auto* accept = request.header("accept");
  Reply reply;
  if (accept != nullptr && !accepts(*accept, "text/plain")) {
    reply = json_reply(200, {{"log", log.bytes}, {"end", log.end}});
  } else {
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = std::move(log.bytes);
  }
  reply.headers.push_back({"X-Sovirt-Log-End", std::to_string(log.end)});
  return reply;
}

}  // namespace

void add_container_routes(Router& router) {
  const std::string one = "/v1/containers/{name}";
  const auto change = [&](std::string method, std::string path, BodyKind body, std::string summary, std::string schema, bool dry_run,
                          Answer answer, Reply (*handler)(const Call&)) {
    router.add({.method = std::move(method), .pattern = one + path, .access = Access::write, .body = body, .summary = std::move(summary),
                .query = dry_run ? std::vector{dry_run_parameter()} : std::vector<QueryParameter>{}, .request_schema = std::move(schema),
                .answers = {std::move(answer)}, .kind = Kind::container, .handler = handler});
  };
  change("PUT", "/state", BodyKind::json, "Start, stop, freeze or thaw", "StateRequest", true, {200, "Container", "it is in that state"}, set_state);
  change("POST", "/actions/restart", BodyKind::optional_json, "Stop, then start", "RestartRequest", true, {200, "Container", "it runs again"}, restart);
  change("POST", "/actions/kill", BodyKind::optional_json, "Send a signal to its init", "KillRequest", false, {204, "", "sent"}, kill);
  change("POST", "/actions/checkpoint", BodyKind::optional_json, "Write the state of its processes to disk, where CRIU can (501 with its reason)", "Empty", false,
         {204, "", "written"}, checkpoint);
  change("POST", "/exec", BodyKind::json, "Run a command in it and wait for its end", "ExecRequest", false, {200, "ExecResult", "it has ended"}, exec);
  router.add({.method = "GET", .pattern = one + "/log", .access = Access::read_private, .summary = "What its console showed",
              .query = {{"since", "integer", "offset in bytes; X-Sovirt-Log-End of an answer is where the next begins"},
                        {"limit", "integer", "bytes at most, 1 to 1048576"}},
              .answers = {{200, "Log", "bytes from `since` on, or from the oldest kept"}}, .produces = "text/plain",
              .kind = Kind::container, .handler = log});
}

}  // namespace sovirt
