#include "daemon/server/handling.hpp"

#include <algorithm>

#include "api/problem.hpp"
#include "api/reader.hpp"
#include "daemon/server/header_values.hpp"
#include "daemon/server/problem.hpp"

namespace sovirt {
namespace {

std::int64_t current_revision(const Call& call, Kind kind) {
  try {
    return call.service.get(kind, name_of(call)).value("revision", std::int64_t{0});
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
    throw Error{Code::precondition_failed, "If-Match asks for an object that is there, and there is none"};
  }
}

// If-Match: the domain compares one revision inside its transaction. Of several, that one which is the present one
// is given to it; where none is, nothing can match.
std::optional<std::int64_t> read_if_match(const Call& call, std::optional<Kind> kind) {
  const auto* value = call.request.header("if-match");
  if (value == nullptr) return std::nullopt;
  const auto tags = read_entity_tags("If-Match", *value);
  if (!kind || call.request.params.empty()) throw Error{Code::malformed, "If-Match has no object to be compared with here"};
  if (tags.any) {
    current_revision(call, *kind);
    return std::nullopt;
  }
  if (tags.revisions.size() == 1) return tags.revisions.front();
  const auto current = tags.revisions.empty() ? 0 : current_revision(call, *kind);
  if (std::find(tags.revisions.begin(), tags.revisions.end(), current) != tags.revisions.end()) return current;
  throw Error{Code::precondition_failed, "the object has another revision than those of If-Match"};
}

Reply finished_operation(Service& service, const Json& operation, Kind kind, const std::string& name, bool created) {
  if (operation.value("state", "") != "done") {
    const auto found = operation.find("error");
    if (found != operation.end() && found->is_object()) throw read_problem(*found);
    const bool cancelled = operation.value("state", "") == "cancelled";
    throw Error{cancelled ? Code::cancelled : Code::unavailable, "the operation was " + operation.value("state", "interrupted")};
  }
  const Json& result = operation.at("result");
  if (result.is_object() && !result.contains("uid")) return json_reply(created ? 201 : 200, result);  // no resource: a document of its own
  try {
    Json resource = service.get(kind, name);
    Reply reply = json_reply(created ? 201 : 200, resource);
    reply.headers.push_back({"ETag", entity_tag(resource.value("revision", std::int64_t{0}))});
    reply.headers.push_back({"Location", "/v1/" + std::string{kind_plural(kind)} + "/" + name});
    return reply;
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
    return empty_reply();  // what the operation removed
  }
}

Reply accepted(const Json& operation, const std::string& id) {
  Reply reply = json_reply(202, operation);
  reply.headers.push_back({"Location", "/v1/operations/" + id});
  return reply;
}

Reply write_operation(const Call& call, const ChangeResult& result, Kind kind, const std::string& name) {
  auto& service = call.service;
  Json operation = service.operation(result.operation);
  const auto* prefer = call.request.header("prefer");
  const auto wait = prefer != nullptr ? preferred_wait(*prefer) : std::nullopt;
  if (!wait || wait->count() == 0) return accepted(operation, result.operation);
  const std::string applied = "wait=" + std::to_string(wait->count());
  Reply reply;
  reply.status = 202;  // for the audit: accepted, whatever it comes to
  reply.hold = std::make_shared<Hold>(operation_hold(
      service, result.operation, *wait,
      [&service, id = result.operation, kind, name, created = result.created, applied](bool over) -> std::optional<Reply> {
        const Json now = service.operation(id);
        if (!has_ended(now) && !over) return std::nullopt;
        Reply answer = has_ended(now) ? finished_operation(service, now, kind, name, created) : accepted(now, id);
        answer.headers.push_back({"Preference-Applied", applied});
        return answer;
      }));
  return reply;
}

}  // namespace

Json read_body(const Call& call) {
  if (call.request.body.empty()) {
    if (call.request.route->body == BodyKind::optional_json) return Json::object();
    throw Error{Code::malformed, "a JSON document is needed as body"};
  }
  ParseLimits limits;
  limits.bytes = call.request.body.size();  // the session has kept it within bounds
  return parse_json(call.request.body, limits);
}

const std::string& name_of(const Call& call) { return call.request.params.front(); }

ListQuery read_list_query(const Request& request) {
  ListQuery query;
  for (const auto& [key, value] : request.query) {
    if (key == "limit") query.limit = read_number(key, value, 1, 1000);
    else if (key == "cursor") query.cursor = value;
    else if (key == "name") query.name = value;
    else if (key == "state") query.state = value;
    else if (key == "label") {
      const auto colon = value.find(':');
      if (colon == 0 || colon == std::string::npos) throw Error{Code::bad_query, "label must be KEY:VALUE"};
      query.labels.emplace_back(value.substr(0, colon), value.substr(colon + 1));
    }
  }
  return query;
}

Json write_page(const Page& page) {
  Json document{{"items", Json::array()}, {"next", nullptr}, {"seq", page.seq}};
  document["items"].get_ref<Json::array_t&>() = page.items;
  if (page.next) document["next"] = *page.next;
  return document;
}

std::vector<QueryParameter> list_parameters(bool with_state) {
  std::vector<QueryParameter> parameters{{"limit", "integer", "items on a page, 1 to 1000 (100)"},
                                         {"cursor", "string", "`next` of the page before"},
                                         {"label", "string", "KEY:VALUE; repeated: all of them", true},
                                         {"name", "string", "glob with `*`"}};
  if (with_state) parameters.push_back({"state", "string", "of status"});
  return parameters;
}

QueryParameter dry_run_parameter() { return {"dry_run", "boolean", "answer the plan, change nothing"}; }

Actor actor_of(const Request& request) {
  return {request.peer.uid, request.peer.pid, request.id, request.method + " " + request.target.substr(0, 1024)};
}

ChangeContext read_change(const Call& call, std::optional<Kind> kind) {
  const Request& request = call.request;
  ChangeContext context;
  context.actor = actor_of(request);
  if (const auto* dry = request.parameter("dry_run")) context.dry_run = read_flag("dry_run", *dry);
  if (const auto* within = request.parameter("confirm_within")) context.confirm_within = std::chrono::seconds{read_number("confirm_within", *within, 1, 3600)};
  if (const auto* cascade = request.parameter("cascade")) context.cascade = read_flag("cascade", *cascade);
  if (const auto* value = request.header("if-none-match")) {
    if (request.header("if-match") != nullptr) throw Error{Code::malformed, "If-Match and If-None-Match in one request"};
    if (!read_entity_tags("If-None-Match", *value).any) throw Error{Code::malformed, "the only If-None-Match of a change is *"};
    if (request.method != "PUT") throw Error{Code::malformed, "If-None-Match: * is for PUT"};
    context.if_none_match = true;
  }
  context.if_match = read_if_match(call, kind);
  return context;
}

Json write_exec_result(const ExecResult& result) {
  Json document{{"exit_code", nullptr}, {"signal", nullptr}, {"stdout", result.output}, {"stderr", result.error_output},
                {"truncated", result.truncated}, {"timed_out", result.timed_out}};
  if (result.exit.code) document["exit_code"] = *result.exit.code;
  if (result.exit.signal) document["signal"] = *result.exit.signal;
  return document;
}

Reply write_change(const Call& call, ChangeResult result, Kind kind, const std::string& name) {
  if (!result.operation.empty()) return write_operation(call, result, kind, name);
  const auto* dry = call.request.parameter("dry_run");
  if (dry != nullptr && *dry != "false") return json_reply(200, result.body);
  if (result.body.is_null()) return empty_reply();
  Reply reply = json_reply(result.created ? 201 : 200, result.body);
  if (result.revision > 0) reply.headers.push_back({"ETag", entity_tag(result.revision)});
  if (call.request.method == "PUT" || result.created)
    reply.headers.push_back({"Location", "/v1/" + std::string{kind_plural(kind)} + "/" + name});
  return reply;
}

Reply write_resource_reply(const Call& call, Json resource) {
  hide_secrets(call.request, resource);
  const auto revision = resource.value("revision", std::int64_t{0});
  const auto* known = call.request.header("if-none-match");
  if (known != nullptr) {
    const auto tags = read_entity_tags("If-None-Match", *known);
    const auto holds = [&](const auto& list) { return std::find(list.begin(), list.end(), revision) != list.end(); };
    if (tags.any || holds(tags.revisions) || holds(tags.weak)) {
      Reply reply = empty_reply(304);
      reply.headers.push_back({"ETag", entity_tag(revision)});
      return reply;
    }
  }
  Reply reply = json_reply(200, resource);
  reply.headers.push_back({"ETag", entity_tag(revision)});
  return reply;
}

void hide_secrets(const Request& request, Json& resource) {
  if (request.peer.privileged || !resource.is_object()) return;
  const auto spec = resource.find("spec");
  if (spec == resource.end() || !spec->is_object()) return;
  const auto env = spec->find("env");
  if (env == spec->end() || !env->is_object()) return;
  for (auto& value : *env) value = "(hidden)";
}

Hold operation_hold(Service& service, std::string id, std::chrono::milliseconds longest, std::function<std::optional<Reply>(bool)> look) {
  Hold hold;
  hold.longest = longest;
  hold.subscribe = [&service, id = std::move(id)](std::function<void()> wake) { return service.on_operation_end(id, std::move(wake)); };
  hold.look = std::move(look);
  return hold;
}

bool has_ended(const Json& operation) { return operation.value("state", "") != "running"; }

}  // namespace sovirt
