#include "daemon/server/handling.hpp"
#include "daemon/server/routes.hpp"
#include "daemon/server/upload.hpp"

namespace sovirt {

void add_image_routes(Router& router) {
  router.add({.method = "PUT", .pattern = "/v1/images/{name}/content", .access = Access::write, .body = BodyKind::bytes,
              .summary = "Upload the tarball of an image whose source has no path",
              .answers = {{200, "Image", "the same content is there already"}, {202, "Operation", "it is being unpacked"}},
              .kind = Kind::image,
              .sink = [](const Call& call) -> std::shared_ptr<BodySink> { return std::make_shared<ImageUpload>(call.service, name_of(call)); }});
  router.add({.method = "GET", .pattern = "/v1/templates", .summary = "Named sources of images, with their defaults",
              .answers = {{200, "TemplateList", "all of them"}},
              .handler = [](const Call& call) { return json_reply(200, call.service.templates()); }});
}

}  // namespace sovirt
