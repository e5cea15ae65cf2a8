#include "daemon/domain/container_copies.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/routes.hpp"

namespace sovirt {
namespace {

Reply copy(const Call& call) {
  const auto context = read_change(call, Kind::container);
  const auto request = read_copy_request(read_body(call));
  return write_change(call, call.service.copies().copy(name_of(call), request, context), Kind::container, request.name);
}

Reply rename(const Call& call) {
  const auto context = read_change(call, Kind::container);
  const auto name = read_rename_request(read_body(call));
  Reply reply = write_change(call, call.service.copies().rename(name_of(call), name, context), Kind::container, name);
  reply.headers.push_back({"Location", "/v1/containers/" + name});
  return reply;
}

Reply snapshot(const Call& call) {
  const auto context = read_change(call, Kind::container);
  const auto name = read_snapshot_request(read_body(call));
  ChangeResult result = call.service.copies().snapshot(name_of(call), name, context);
  const bool made = result.created && result.operation.empty();
  if (!made) return write_change(call, std::move(result), Kind::container, name_of(call));
  Reply reply = json_reply(201, result.body);
  reply.headers.push_back({"Location", "/v1/containers/" + name_of(call) + "/snapshots/" + name});
  return reply;
}

Reply restore(const Call& call) {
  const auto context = read_change(call, Kind::container);
  const auto name = read_restore_request(read_body(call));
  return write_change(call, call.service.copies().restore(name_of(call), name, context), Kind::container, name_of(call));
}

Reply remove_snapshot(const Call& call) {
  const auto context = read_change(call, Kind::container);
  return write_change(call, call.service.copies().remove_snapshot(name_of(call), call.request.params.at(1), context), Kind::container, name_of(call));
}

}  // namespace

void add_copy_routes(Router& router) {
  const std::string one = "/v1/containers/{name}";
  const auto change = [&](std::string method, std::string path, BodyKind body, std::string summary, std::string schema, std::vector<Answer> answers,
                          Reply (*handler)(const Call&)) {
    router.add({.method = std::move(method), .pattern = one + path, .access = Access::write, .body = body, .summary = std::move(summary),
                .query = {dry_run_parameter()}, .request_schema = std::move(schema), .answers = std::move(answers), .kind = Kind::container,
                .handler = handler});
  };
  change("POST", "/actions/copy", BodyKind::json, "Make another container with the same files", "CopyRequest",
         {{201, "Container", "it is there; no bytes were copied"}, {202, "Operation", "the original runs: it is frozen while its files are copied"}}, copy);
  change("POST", "/actions/rename", BodyKind::json, "Give it another name", "RenameRequest", {{200, "Container", "under its new name"}}, rename);
  change("POST", "/actions/snapshot", BodyKind::json, "Keep its files as they are now", "SnapshotRequest",
         {{201, "Snapshot", "it is kept; no bytes were copied"}, {202, "Operation", "it runs: it is frozen while its files are copied"}}, snapshot);
  change("POST", "/actions/restore", BodyKind::json, "Make its files those of a snapshot", "RestoreRequest", {{200, "Container", "with the files of the snapshot"}}, restore);
  change("DELETE", "/snapshots/{snapshot}", BodyKind::none, "Delete a snapshot", "", {{200, "Plan", "with dry_run"}, {204, "", "it is gone"}}, remove_snapshot);
  router.add({.method = "GET", .pattern = one + "/snapshots", .summary = "Its snapshots, the oldest first",
              .answers = {{200, "SnapshotList", "all of them; `parent` makes a tree of them"}}, .kind = Kind::container,
              .handler = [](const Call& call) { return json_reply(200, call.service.copies().snapshots(name_of(call))); }});
}

}  // namespace sovirt
