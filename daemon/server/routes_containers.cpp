#include <signal.h>

#include <algorithm>

#include "api/reader.hpp"
#include "api/timestamp.hpp"
#include "daemon/domain/checkpoints.hpp"
#include "daemon/domain/container_terminals.hpp"
#include "daemon/server/followed_log.hpp"
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

// An offset, or a time.
std::uint64_t read_since(const Call& call) {
  const auto* since = call.request.parameter("since");
  if (since == nullptr) return 0;
  if (since->find_first_not_of("0123456789") == std::string::npos) return read_number("since", *since, 0, INT64_MAX);
  const auto time = parse_rfc3339(*since);
  if (!time) throw Error{Code::bad_query, "since is an offset in bytes or a time such as 2026-11-23T18:00:00Z"};
  return call.service.terminals().log_offset(name_of(call), *time);
}

Reply follow_log(const Call& call, std::uint64_t from) {
  const auto* accept = call.request.header("accept");
  if (call.request.parameter("limit") != nullptr) throw Error{Code::bad_query, "a log that is followed has no limit"};
  if (accept != nullptr && !accepts(*accept, "text/plain")) throw Error{Code::bad_query, "a log is followed as text/plain"};
  // Where it begins: what is asked for may not be kept any more.
  const Launcher::Log log = call.service.log(name_of(call), from, 1);
  Reply reply;
  reply.content_type = "text/plain; charset=utf-8";
  reply.headers.push_back({"X-Sovirt-Log-Begin", std::to_string(log.end - log.bytes.size())});
  reply.source = std::make_shared<FollowedLog>(call.service, std::string{name_of(call)}, log.end - log.bytes.size());
  return reply;
}

// The log is bytes and is answered as such; a client that asks for JSON alone gets it in a document.
Reply log(const Call& call) {
  const Request& request = call.request;
  const auto* limit = request.parameter("limit");
  const auto* follow = request.parameter("follow");
  const std::uint64_t from = read_since(call);
  if (follow != nullptr && read_flag("follow", *follow)) return follow_log(call, from);
  const auto most = limit != nullptr ? read_number("limit", *limit, 1, most_log_bytes) : most_log_bytes;
  auto log = call.service.log(name_of(call), from, most);
  const std::uint64_t begin = log.end - std::min<std::uint64_t>(log.bytes.size(), log.end);
  const auto* accept = request.header("accept");
  Reply reply;
  if (accept != nullptr && !accepts(*accept, "text/plain")) {
    reply = json_reply(200, {{"log", log.bytes}, {"end", log.end}});
  } else {
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = std::move(log.bytes);
  }
  reply.headers.push_back({"X-Sovirt-Log-Begin", std::to_string(begin)});
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
              .query = {{"since", "string", "offset in bytes, of which X-Sovirt-Log-End of an answer is where the next begins; or a time, to within a second"},
                        {"follow", "boolean", "go on with what is written later, until the container has ended"},
                        {"limit", "integer", "bytes at most, 1 to 1048576"}},
              .answers = {{200, "Log", "bytes from `since` on, or from the oldest kept"}}, .produces = "text/plain",
              .kind = Kind::container, .handler = log});
}

}  // namespace sovirt
