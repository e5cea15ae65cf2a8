#include "daemon/server/dispatcher.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "daemon/base/log.hpp"
#include "daemon/domain/service.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/header_values.hpp"
#include "daemon/server/problem.hpp"
#include "daemon/server/routes.hpp"
#include "daemon/server/upgrade.hpp"

namespace sovirt {
namespace {

constexpr unsigned refusals_per_minute = 60;

bool is_read(std::string_view method) noexcept { return method == "GET" || method == "HEAD" || method == "OPTIONS"; }

Reply bare_failure() noexcept {
  Reply reply;
  reply.status = 500;
  reply.code = "internal";
  reply.content_type.clear();
  reply.close = true;
  return reply;
}

}  // namespace

Dispatcher::Dispatcher(Service& service, Log& log, std::string version, std::size_t body_bytes)
    : service_(&service), log_(&log), body_bytes_(body_bytes) {
  add_resource_routes(router_);
  add_container_routes(router_);
  add_file_routes(router_);
  add_copy_routes(router_);
  add_cgroup_routes(router_);
  add_terminal_routes(router_);
  add_inside_routes(router_);
  add_archive_routes(router_);
  add_network_routes(router_);
  add_image_routes(router_);
  add_operation_routes(router_);
  add_event_routes(router_);
  add_host_routes(router_, std::move(version));
}

std::optional<Reply> Dispatcher::admit(Request& request) const noexcept {
  return attempt(request, [&]() -> std::optional<Reply> {
    const auto target = split_target(request.method, request.target);
    // Before routing, so that a stranger learns nothing from the difference between 403 and 404.
    if (!request.read_only && !request.peer.privileged)
      throw Error{Code::forbidden, "this socket is for root and the daemon's group"}.with_hint("sovirt-ro.socket answers GET to everybody; members of the group may do everything");
    if (request.read_only && !is_read(request.method))
      throw Error{Code::forbidden, "the read-only socket answers GET only"}.with_hint("use sovirt.sock");
    request.route = router_.match(target, request);
    if (request.route == nullptr) {
      Reply reply = empty_reply(204);
      reply.headers.push_back({"Allow", router_.allow(target)});
      return reply;
    }
    check_access(request);
    request.query = split_query(target.query);
    check_query(request);
    check_fields(request);
    return std::nullopt;
  });
}

void Dispatcher::check_access(const Request& request) const {
  const Access access = request.route->access;
  if (access == Access::read) return;
  if (access == Access::read_private && request.peer.privileged) return;
  if (access == Access::read_private)
    throw Error{Code::forbidden, "this may hold secrets of the container"}.with_hint("ask as root or as a member of the daemon's group");
  if (request.read_only)
    throw Error{Code::forbidden, "the read-only socket answers nothing that is secret"}.with_hint("use sovirt.sock");
}

void Dispatcher::check_query(const Request& request) const {
  const auto& known = request.route->query;
  for (auto at = request.query.begin(); at != request.query.end(); ++at) {
    const auto parameter = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.name == at->first; });
    if (parameter == known.end()) throw Error{Code::bad_query, "there is no query parameter \"" + at->first.substr(0, 64) + "\" here"};
    if (!parameter->repeatable && std::any_of(request.query.begin(), at, [&](const auto& before) { return before.first == at->first; }))
      throw Error{Code::bad_query, "the query parameter " + at->first + " may be given once"};
  }
}

void Dispatcher::check_fields(const Request& request) const {
  const Route& route = *request.route;
  if (!route.protocol.empty()) check_upgrade(request, route.protocol);
  if (const auto* accept = request.header("accept")) {
    // Plain text and event streams can be had as what they are only; whoever asks for JSON gets problems as such.
    const bool json_too = route.produces == "text/plain";
    const auto& also = route.also_produces;
    const bool another = std::any_of(also.begin(), also.end(), [&](const auto& type) { return accepts(*accept, type); });
    if (!accepts(*accept, route.produces) && !another && !(json_too && accepts(*accept, "application/json")))
      throw Error{Code::not_acceptable, "this answers " + route.produces};
  }
  if (const auto* coding = request.header("content-encoding"); coding != nullptr && *coding != "identity")
    throw Error{Code::unsupported_media_type, "bodies are taken without content coding"};
  if (const auto* expect = request.header("expect"); expect != nullptr && media_type(*expect) != "100-continue")
    throw HttpError{417, Error{Code::malformed, "the only expectation known here is 100-continue"}};
  if (route.body == BodyKind::none && request.has_body) throw Error{Code::malformed, request.method + " takes no body here"};
  if (route.body == BodyKind::bytes && !request.has_body && !route.empty_body) throw Error{Code::malformed, "the content is needed as body"};
  if (route.body == BodyKind::json && !request.has_body) throw Error{Code::malformed, "a JSON document is needed as body"};
  if (route.body == BodyKind::none || route.body == BodyKind::bytes || !request.has_body) return;
  const auto* given = request.header("content-type");
  const auto type = given != nullptr ? media_type(*given) : std::string{};
  if (type != "application/json" && !(request.method == "PATCH" && type == "application/merge-patch+json"))
    throw Error{Code::unsupported_media_type, "the body must be application/json in UTF-8"};
}

std::optional<std::uint64_t> Dispatcher::body_limit(const Request& request) const noexcept {
  if (request.route != nullptr && request.route->body == BodyKind::bytes) return std::nullopt;
  return body_bytes_;
}

std::optional<Reply> Dispatcher::attempt(const Request& request, const std::function<std::optional<Reply>()>& work) const noexcept {
  try {
    try {
      return work();
    } catch (...) {
      return current_problem(request, *log_);
    }
  } catch (...) {  // no memory even for the problem
    return bare_failure();
  }
}

Reply Dispatcher::answer(Request& request) const noexcept {
  auto reply = attempt(request, [&]() -> std::optional<Reply> {
    const Call call{*service_, request};
    return request.route->handler(call);
  });
  return *std::move(reply);
}

Reply Dispatcher::refuse(const Request& request, const Error& error) const noexcept {
  return *attempt(request, [&]() -> std::optional<Reply> { throw error; });
}

Reply Dispatcher::refuse(const Request& request, int status, const Error& error) const noexcept {
  return *attempt(request, [&]() -> std::optional<Reply> { throw HttpError{status, error}; });
}

bool Dispatcher::may_audit_refusal() noexcept {
  const auto minute = std::chrono::duration_cast<std::chrono::minutes>(std::chrono::steady_clock::now().time_since_epoch()).count();
  if (refusals_minute_.exchange(minute) != minute) refusals_ = 0;
  return ++refusals_ <= refusals_per_minute;
}

bool Dispatcher::audited(const Request& request, const Reply& reply) const noexcept {
  if (reply.status == 403) return true;
  if (request.route == nullptr || !request.route->change()) return false;  // no such path, or not HTTP: nothing was asked of any object
  const auto* dry = request.parameter("dry_run");
  return dry == nullptr || *dry == "false";
}

void Dispatcher::audit(const Request& request, const Reply& reply) noexcept {
  if (!audited(request, reply)) return;
  if (reply.status == 403 && !request.peer.privileged && !may_audit_refusal()) return;
  try {
    AuditRow row;
    row.at = now();
    row.actor = actor_of(request);
    if (request.route != nullptr && request.route->kind && !request.params.empty())
      row.object = object_ref(*request.route->kind, request.params.front());
    row.status = reply.status;
    row.code = reply.code;
    service_->audit(row);
  } catch (const std::exception& error) {
    log_->error("audit row not written", {{"request_id", request.id}, {"target", request.target}, {"error", error.what()}});
  }
}

void Dispatcher::log(const Request& request, const Reply& reply) const noexcept {
  try {
    using std::chrono::steady_clock;
    const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - request.begun);
    const LogLevel level = is_read(request.method) && reply.status < 400 ? LogLevel::debug : LogLevel::info;
    log_->write(level, "request", {{"request_id", request.id}, {"method", request.method}, {"target", request.target},
                                   {"status", std::to_string(reply.status)}, {"code", reply.code}, {"detail", reply.detail},
                                   {"uid", std::to_string(request.peer.uid)}, {"pid", std::to_string(request.peer.pid)},
                                   {"us", std::to_string(elapsed.count())}});
  } catch (...) {  // a request is not lost because its line is
  }
}

}  // namespace sovirt
