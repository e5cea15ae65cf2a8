#include "daemon/domain/container_archives.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/routes.hpp"

namespace sovirt {
namespace {

Reply write_container(const Call& call) {
  const auto context = read_change(call, Kind::container);
  const auto path = read_export_request(read_body(call));
  return write_change(call, call.service.archives().write_container(name_of(call), path, context), Kind::container, name_of(call));
}

Reply write_image(const Call& call) {
  const auto context = read_change(call, Kind::image);
  const auto path = read_export_request(read_body(call));
  return write_change(call, call.service.archives().write_image(name_of(call), path, context), Kind::image, name_of(call));
}

Reply read_container(const Call& call) {
  const auto context = read_change(call, Kind::container);
  const auto request = read_import_request(read_body(call));
  return write_change(call, call.service.archives().read_container(name_of(call), request, context), Kind::container, name_of(call));
}

}  // namespace

void add_archive_routes(Router& router) {
  const auto add = [&](std::string pattern, Kind kind, std::string summary, std::string schema, Reply (*handler)(const Call&)) {
    router.add({.method = "POST", .pattern = std::move(pattern), .access = Access::write, .body = BodyKind::json, .summary = std::move(summary),
                .query = {dry_run_parameter()}, .request_schema = std::move(schema), .answers = {{202, "Operation", "goes on in the background"}},
                .kind = kind, .handler = handler});
  };
  add("/v1/containers/{name}/export", Kind::container, "Write it to a file of the host: its document and its files (tar, zstd)", "ExportRequest", write_container);
  add("/v1/containers/{name}/import", Kind::container, "Make it from such a file", "ImportRequest", read_container);
  add("/v1/images/{name}/export", Kind::image, "Write its tree to a file of the host (tar, zstd), which the tarball source takes back", "ExportRequest", write_image);
}

}  // namespace sovirt
