#include "api/container_archive.hpp"

#include <nlohmann/json.hpp>

#include "api/names.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr int format = 1;

std::string read_path(ObjectReader& in) {
  in.require("path");
  std::string path = in.string("path", 65536).value_or("");
  const bool fine = path.size() > 1 && path.size() < 4096 && path.front() == '/' && path.back() != '/' && (path + "/").find("/../") == std::string::npos;
  if (in.has("path") && in.raw("path")->is_string() && !fine) in.fail("path", "format", "must be the absolute path of a file, without \"..\"");
  return path;
}

bool valid_digest(const std::string& text) noexcept {
  return text.size() == 71 && text.starts_with("sha256:") && text.find_first_not_of("0123456789abcdef", 7) == std::string::npos;
}

}  // namespace

std::string read_export_request(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  std::string path = read_path(in);
  in.finish();
  throw_if_any(std::move(errors));
  return path;
}

ImportRequest read_import_request(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  ImportRequest request;
  request.path = read_path(in);
  request.digest = in.string("digest", 1024).value_or("");
  if (!request.digest.empty() && !valid_digest(request.digest)) in.fail("digest", "format", "must be sha256: and 64 hexadecimal digits in lower case");
  request.image = in.string("image", 1024).value_or("");
  if (!request.image.empty() && !valid_name(request.image)) in.fail("image", "format", "cannot be the name of an image: ^[a-z][a-z0-9-]{0,62}$");
  request.regenerate = in.choice("identity", {"fail", "regenerate"}).value_or(0) == 1;
  in.finish();
  throw_if_any(std::move(errors));
  return request;
}

std::string write_container_document(const Resource& container) {
  return Json{{"format", format}, {"kind", "container"}, {"name", container.name}, {"labels", container.labels}, {"spec", container.spec},
              {"image_digest", container.facts.at("image_digest")}}
             .dump(2) + "\n";
}

ContainerDocument read_container_document(const std::string& text) {
  const Json json = parse_json(text);
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  ContainerDocument document;
  in.require("format");
  in.require("spec");
  if (in.integer("format", 1, format).value_or(0) == 0) in.fail("format", "unsupported", "this version reads format 1");
  in.choice("kind", {"container"});
  document.name = in.string("name", 63).value_or("");
  if (const Json* labels = in.raw("labels")) document.labels = read_labels(*labels);
  if (const Json* spec = in.raw("spec")) document.spec = write_container_spec(read_container_spec(*spec));
  in.raw("image_digest");
  in.finish();
  throw_if_any(std::move(errors));
  return document;
}

}  // namespace sovirt
