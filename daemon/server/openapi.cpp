#include "daemon/server/openapi.hpp"

#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "daemon/server/problem.hpp"
#include "daemon/server/router.hpp"
#include "daemon/server/schemas.hpp"

namespace sovirt {
namespace {

Json schema_reference(const std::string& name) { return {{"$ref", "#/components/schemas/" + name}}; }

Json name_schema(Kind kind) {
  return {{"type", "string"}, {"pattern", "^[a-z][a-z0-9-]*$"}, {"maxLength", longest_name(kind)}};
}

Json write_parameters(const Route& route) {
  Json parameters = Json::array();
  for (std::size_t at = 0; (at = route.pattern.find('{', at)) != std::string::npos; ++at) {
    const auto name = route.pattern.substr(at + 1, route.pattern.find('}', at) - at - 1);
    const Json schema = route.kind && name == "name" ? name_schema(*route.kind) : Json{{"type", "string"}};
    parameters.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"schema", schema}});
  }
  for (const auto& parameter : route.query) {
    Json schema{{"type", parameter.type}};
    if (parameter.repeatable) schema = {{"type", "array"}, {"items", schema}};
    parameters.push_back({{"name", parameter.name}, {"in", "query"}, {"required", parameter.required}, {"description", parameter.description}, {"schema", schema}});
  }
  const auto header = [&](const char* name) { parameters.push_back({{"name", name}, {"in", "header"}, {"required", false}, {"schema", {{"type", "string"}}}}); };
  if (route.change() && route.kind && route.pattern.find("{name}") != std::string::npos) header("If-Match");
  if (route.method == "PUT" && route.change() && route.pattern.ends_with("/{name}")) header("If-None-Match");
  for (const auto& answer : route.answers) {
    if (answer.status == 304) header("If-None-Match");
    if (answer.status == 202) header("Prefer");
  }
  if (route.produces == "text/event-stream") header("Last-Event-ID");
  return parameters;
}

// The problems that follow from what a route declares, by status.
std::set<int> problem_statuses(const Route& route) {
  std::set<int> statuses{400, 403, 406, 408, 431, 500, 503};
  if (!route.protocol.empty()) statuses.insert(426);
  if (route.pattern.find('{') != std::string::npos) statuses.insert(404);
  if (route.where == Where::pool) statuses.insert({501, 504});
  if (route.body != BodyKind::none) statuses.insert({413, 415, 417});
  if (route.body == BodyKind::json || route.body == BodyKind::optional_json) statuses.insert(422);
  if (route.change()) statuses.insert({404, 409, 412, 507});
  return statuses;
}

Json write_responses(const Route& route) {
  Json responses = Json::object();
  for (const auto& answer : route.answers) {
    Json& response = responses[std::to_string(answer.status)] = {{"description", answer.description}};
    if (answer.schema.empty()) continue;
    // The log is text unless JSON is asked for; both are the same bytes.
    if (route.produces == "text/plain") response["content"][route.produces] = {{"schema", {{"type", "string"}}}};
    if (!route.also_produces.empty()) {
      const Json bytes{{"schema", {{"type", "string"}, {"format", "binary"}}}};
      response["content"][route.produces] = bytes;
      for (const auto& type : route.also_produces)
        response["content"][type] = type == "application/json" ? Json{{"schema", schema_reference(answer.schema)}} : bytes;
      continue;
    }
    const bool stream = route.produces == "text/event-stream";
    response["content"][stream ? route.produces : "application/json"] = {{"schema", schema_reference(answer.schema)}};
  }
  std::map<int, std::string> codes;
  for (const auto& [status, code] : known_problems()) codes[status] += (codes[status].empty() ? "" : ", ") + code;
  for (const int status : problem_statuses(route))
    responses[std::to_string(status)] = {{"description", "code: " + codes[status]},
                                         {"content", {{"application/problem+json", {{"schema", schema_reference("Problem")}}}}}};
  return responses;
}

// "PUT /v1/bridges/{name}" -> "put-v1-bridges-name"
std::string operation_id(const Route& route) {
  std::string id;
  for (const char c : route.method) id.push_back(static_cast<char>(c + 32));
  for (const char c : route.pattern)
    if (c == '/' || c == '.') id.push_back('-');
    else if (c != '{' && c != '}') id.push_back(c);
  return id;
}

Json write_operation(const Route& route) {
  Json operation{{"summary", route.summary}, {"operationId", operation_id(route)}, {"responses", write_responses(route)}};
  Json parameters = write_parameters(route);
  if (!parameters.empty()) operation["parameters"] = std::move(parameters);
  if (route.body == BodyKind::bytes)
    operation["requestBody"] = {{"required", !route.empty_body}, {"content", {{"application/octet-stream", {{"schema", {{"type", "string"}, {"format", "binary"}}}}}}}};
  if (route.body == BodyKind::json || route.body == BodyKind::optional_json) {
    Json content{{"application/json", {{"schema", schema_reference(route.request_schema)}}}};
    if (route.method == "PATCH") content["application/merge-patch+json"] = {{"schema", {{"type", "object"}}}};
    operation["requestBody"] = {{"required", route.body == BodyKind::json}, {"content", std::move(content)}};
  }
  // Who may: the socket decides, so it is said in words.
  static constexpr const char* who[] = {"either socket", "root and the daemon's group, on either socket", "the read-write socket", "the read-write socket"};
  operation["description"] = std::string{"For "} + who[static_cast<int>(route.access)] + ".";
  return operation;
}

}  // namespace

Json write_openapi(const Router& router, const std::string& version) {
  Json paths = Json::object();
  for (const auto& route : router.routes()) {
    std::string method;
    for (const char c : route->method) method.push_back(static_cast<char>(c + 32));
    paths[route->pattern][method] = write_operation(*route);
  }
  return {{"openapi", "3.1.0"},
          {"info", {{"title", "sovirt"}, {"version", version}, {"description", "Bridges, containers and images of one host, over a Unix socket."}}},
          {"paths", std::move(paths)},
          {"components", {{"schemas", write_schemas()}}}};
}

}  // namespace sovirt
