#include <cstdio>

#include <nlohmann/json.hpp>

#include "api/timestamp.hpp"
#include "daemon/domain/container_files.hpp"
#include "daemon/server/file_transfer.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/header_values.hpp"
#include "daemon/server/routes.hpp"

namespace sovirt {
namespace {

constexpr std::uint64_t most_entries = 10'000;
constexpr const char* tar_type = "application/x-tar";
constexpr const char* bytes_type = "application/octet-stream";

std::string octal(std::uint32_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%04o", mode);
  return text;
}

Json write_facts(const FileFacts& facts) {
  Json document{{"name", facts.name}, {"type", facts.type}, {"mode", octal(facts.mode)}, {"uid", facts.uid},
                {"gid", facts.gid},   {"size", facts.size}, {"modified", rfc3339(facts.modified)}};
  if (facts.type == "link") document["target"] = facts.target;
  return document;
}

void add_headers(Reply& reply, const FileFacts& facts) {
  reply.headers.push_back({"X-Sovirt-Type", facts.type});
  reply.headers.push_back({"X-Sovirt-Mode", octal(facts.mode)});
  reply.headers.push_back({"X-Sovirt-Uid", std::to_string(facts.uid)});
  reply.headers.push_back({"X-Sovirt-Gid", std::to_string(facts.gid)});
  reply.headers.push_back({"X-Sovirt-Size", std::to_string(facts.size)});
  reply.headers.push_back({"X-Sovirt-Modified", rfc3339(facts.modified)});
}

std::string path_of(const Call& call) {
  const auto* path = call.request.parameter("path");
  if (path == nullptr) throw Error{Code::bad_query, "path is missing: the file in the container"};
  return *path;
}

// A name may hold any byte, so that where a page ends is written in hexadecimal digits.
std::string write_cursor(const std::string& name) {
  std::string cursor;
  char digits[3];
  for (const unsigned char byte : name) cursor.append(digits, static_cast<std::size_t>(std::snprintf(digits, sizeof digits, "%02x", byte)));
  return cursor;
}

std::string read_cursor(const Request& request) {
  const auto* cursor = request.parameter("cursor");
  if (cursor == nullptr) return {};
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  std::string name;
  for (std::size_t i = 0; i + 1 < cursor->size() && name.size() < 256; i += 2) {
    const int high = digit((*cursor)[i]), low = digit((*cursor)[i + 1]);
    if (high < 0 || low < 0) throw Error{Code::bad_query, "cursor is not one of ours"};
    name.push_back(static_cast<char>(high * 16 + low));
  }
  if (name.empty() || cursor->size() != name.size() * 2) throw Error{Code::bad_query, "cursor is not one of ours"};
  return name;
}

Reply list(const Call& call, const std::string& path, const FileFacts& facts) {
  const auto* limit = call.request.parameter("limit");
  const auto most = limit != nullptr ? read_number("limit", *limit, 1, most_entries) : 1000;
  const auto after = read_cursor(call.request);
  auto entries = call.service.files().list(name_of(call), path, after, static_cast<std::size_t>(most) + 1);
  const bool more = entries.size() > most;
  if (more) entries.pop_back();
  Json document = write_facts(facts);
  document["path"] = path;
  document["items"] = Json::array();
  for (const FileFacts& entry : entries) document["items"].push_back(write_facts(entry));
  document["next"] = more ? Json(write_cursor(entries.back().name)) : Json();
  return json_reply(200, document);
}

Reply get(const Call& call) {
  const std::string path = path_of(call);
  ContainerFiles& files = call.service.files();
  const auto* accept = call.request.header("accept");
  const auto takes = [&](const char* type) { return accept == nullptr || accepts(*accept, type); };
  FileFacts facts = files.look(name_of(call), path);
  Reply reply;
  if (takes(tar_type) && !takes(bytes_type)) {
    reply = stream_reply(files.read_tree(name_of(call), path), tar_type, 0);
  } else if (facts.type == "directory") {
    if (!takes("application/json")) throw Error{Code::not_acceptable, path + " is a directory: a list in JSON, or application/x-tar"};
    reply = list(call, path, facts);
  } else if (!takes(bytes_type)) {
    reply = json_reply(200, write_facts(facts));   // asked for JSON alone: what it is
  } else {
    std::shared_ptr<ByteSource> source = files.read(name_of(call), path, facts);
    reply = stream_reply(std::move(source), bytes_type, facts.size);
  }
  add_headers(reply, facts);
  return reply;
}

Reply remove(const Call& call) {
  const auto* recursive = call.request.parameter("recursive");
  call.service.files().remove(name_of(call), path_of(call), recursive != nullptr && read_flag("recursive", *recursive));
  return empty_reply();
}

}  // namespace

void add_file_routes(Router& router) {
  const std::string pattern = "/v1/containers/{name}/files";
  const QueryParameter path{"path", "string", "absolute, in the container's root, without `..`", false, true};
  router.add({.method = "GET", .pattern = pattern, .access = Access::admin,
              .summary = "A file's bytes with X-Sovirt-Mode, -Uid, -Gid; a directory's list, or with Accept: application/x-tar all below it",
              .query = {path, {"limit", "integer", "entries of a directory, 1 to 10000 (1000)"}, {"cursor", "string", "`next` of the page before"}},
              .answers = {{200, "FileList", "bytes, an archive, or of a directory its entries"}}, .produces = bytes_type,
              .also_produces = {"application/json", tar_type}, .kind = Kind::container, .handler = get});
  router.add({.method = "PUT", .pattern = pattern, .access = Access::write, .body = BodyKind::bytes,
              .summary = "Write a file, whole or not at all, with X-Sovirt-Mode, -Uid, -Gid; application/x-tar unpacks into a directory",
              .query = {path, {"parents", "boolean", "make the directories that are missing on the way"}},
              .answers = {{204, "", "it is there"}}, .empty_body = true, .kind = Kind::container,
              .sink = [](const Call& call) -> std::shared_ptr<BodySink> {
                return std::make_shared<FileUpload>(call.service.files(), name_of(call), call.request);
              }});
  router.add({.method = "DELETE", .pattern = pattern, .access = Access::write, .summary = "Remove a file, a link or a directory",
              .query = {path, {"recursive", "boolean", "a directory with all that is in it"}},
              .answers = {{204, "", "it is gone"}}, .kind = Kind::container, .handler = remove});
}

}  // namespace sovirt
