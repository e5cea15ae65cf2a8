#include "api/reader.hpp"
#include "daemon/domain/confirmations.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/routes.hpp"

namespace sovirt {
namespace {

// Names of the schemas of one kind: "Bridge", "BridgeBody", "BridgeList".
struct Noun {
  Kind kind;
  std::string text, path, schema;
};

Noun noun_of(Kind kind) {
  Noun noun{kind, std::string{kind_text(kind)}, "/v1/" + std::string{kind_plural(kind)}, std::string{kind_text(kind)}};
  noun.schema[0] = static_cast<char>(noun.schema[0] - 32);
  return noun;
}

std::int64_t read_revision(const Json& body) {
  std::vector<FieldError> errors;
  ObjectReader in{body, "", errors};
  in.require("revision");
  const auto revision = in.integer("revision", 1, INT64_MAX).value_or(0);
  in.finish();
  throw_if_any(std::move(errors));
  return revision;
}

void check_body_name(const std::string& given, const std::string& name) {
  if (!given.empty() && given != name) throw field_error("/name", "mismatch", "the path says " + name);
}

Reply list(const Call& call, Kind kind) {
  Page page = call.service.list(kind, read_list_query(call.request));
  for (auto& item : page.items) hide_secrets(call.request, item);
  return json_reply(200, write_page(page));
}

Reply put(const Call& call, Kind kind) {
  const auto context = read_change(call, kind);
  const auto body = split_body(read_body(call));
  check_body_name(body.name, name_of(call));
  return write_change(call, call.service.put(kind, name_of(call), body, context), kind, name_of(call));
}

Reply post(const Call& call, Kind kind) {
  auto context = read_change(call, kind);
  context.create_only = true;
  const auto body = split_body(read_body(call));
  if (body.name.empty()) throw field_error("/name", "required", "a name is needed to create by POST");
  check_name(kind, body.name);
  return write_change(call, call.service.put(kind, body.name, body, context), kind, body.name);
}

Reply patch(const Call& call, Kind kind) {
  const auto context = read_change(call, kind);
  const Json body = read_body(call);
  if (!body.is_object()) throw field_error("", "type", "a merge patch is an object");
  return write_change(call, call.service.patch(kind, name_of(call), body, context), kind, name_of(call));
}

Reply remove(const Call& call, Kind kind) {
  const auto context = read_change(call, kind);
  return write_change(call, call.service.remove(kind, name_of(call), context), kind, name_of(call));
}

Reply history(const Call& call, Kind kind) {
  Json document = call.service.history(kind, name_of(call));
  if (document.contains("items"))
    for (auto& item : document["items"]) hide_secrets(call.request, item);
  return json_reply(200, document);
}

Reply revert(const Call& call, Kind kind) {
  const auto context = read_change(call, kind);
  const auto revision = read_revision(read_body(call));
  return write_change(call, call.service.revert(kind, name_of(call), revision, context), kind, name_of(call));
}

Reply confirm(const Call& call, Kind kind) {
  const auto context = read_change(call, kind);
  return write_change(call, call.service.confirmations().confirm(name_of(call), context), kind, name_of(call));
}

// The answers of a change of this kind: images are built in the background.
std::vector<Answer> change_answers(const Noun& noun, bool creates) {
  std::vector<Answer> answers{{200, noun.schema, "changed; the plan with dry_run"}};
  if (creates) answers.push_back({201, noun.schema, "created"});
  if (noun.kind == Kind::image) answers.push_back({202, "Operation", "goes on in the background"});
  return answers;
}

void add_reads(Router& router, const Noun& noun) {
  const Kind kind = noun.kind;
  router.add({.method = "GET", .pattern = noun.path, .where = Where::loop, .summary = "List " + noun.text + "s",
              .query = list_parameters(true), .answers = {{200, noun.schema + "List", "a page"}}, .kind = kind,
              .handler = [kind](const Call& call) { return list(call, kind); }});
  router.add({.method = "GET", .pattern = noun.path + "/{name}", .where = Where::loop, .summary = "One " + noun.text,
              .answers = {{200, noun.schema, "as it is now"}, {304, "", "If-None-Match names its revision"}}, .kind = kind,
              .handler = [kind](const Call& call) { return write_resource_reply(call, call.service.get(kind, name_of(call))); }});
  router.add({.method = "GET", .pattern = noun.path + "/{name}/history", .summary = "Revisions of one " + noun.text,
              .answers = {{200, "History", "who changed what"}}, .kind = kind,
              .handler = [kind](const Call& call) { return history(call, kind); }});
}

// A bridge that takes the host's NIC can cut off whoever asked for it.
std::vector<QueryParameter> parameters(Kind kind, const std::string& method, const std::string& path) {
  std::vector<QueryParameter> all{dry_run_parameter()};
  if (kind == Kind::bridge && method != "DELETE" && path.find("actions") == std::string::npos)
    all.push_back({"confirm_within", "integer", "seconds, 1 to 3600: undone behind them unless confirmed"});
  return all;
}

void add_changes(Router& router, const Noun& noun) {
  const Kind kind = noun.kind;
  const auto change = [&](std::string method, std::string path, BodyKind body, std::string summary, std::string schema,
                          std::vector<Answer> answers, Reply (*handler)(const Call&, Kind)) {
    std::vector<QueryParameter> query = parameters(kind, method, path);
    if (method == "DELETE") query.push_back({"cascade", "boolean", "delete the links that end in it too"});
    router.add({.method = std::move(method), .pattern = noun.path + path, .access = Access::write, .body = body,
                .summary = std::move(summary), .query = std::move(query), .request_schema = std::move(schema),
                .answers = std::move(answers), .kind = kind,
                .handler = [kind, handler](const Call& call) { return handler(call, kind); }});
  };
  change("POST", "", BodyKind::json, "Create a " + noun.text + " named in the body", noun.schema + "Body", change_answers(noun, true), post);
  change("PUT", "/{name}", BodyKind::json, "Create or replace a " + noun.text, noun.schema + "Body", change_answers(noun, true), put);
  change("PATCH", "/{name}", BodyKind::json, "Merge into a " + noun.text + " (RFC 7396)", noun.schema + "Body", change_answers(noun, false), patch);
  change("DELETE", "/{name}", BodyKind::none, "Delete a " + noun.text, "", {{200, "Plan", "with dry_run"}, {204, "", "it is gone"}}, remove);
  change("POST", "/{name}/actions/revert", BodyKind::json, "Make an earlier revision the present one", "RevertRequest",
         change_answers(noun, false), revert);
  if (kind == Kind::bridge)
    change("POST", "/{name}/actions/confirm", BodyKind::none, "Keep a change made with confirm_within", "", {{200, noun.schema, "it stays"}}, confirm);
}

}  // namespace

void add_resource_routes(Router& router) {
  for (const Kind kind : all_kinds()) {
    const Noun noun = noun_of(kind);
    add_reads(router, noun);
    add_changes(router, noun);
  }
}

}  // namespace sovirt
