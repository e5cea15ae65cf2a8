#include "api/image.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "api/names.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr std::size_t longest_path = 4095;

bool all_of(std::string_view text, std::string_view others, bool upper = false) noexcept {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (upper && c >= 'A' && c <= 'Z') || others.find(c) != others.npos;
  });
}

bool letter_or_digit(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// These words become arguments of debootstrap, so none may look like an option.
bool valid_suite(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 64 && letter_or_digit(text.front()) && all_of(text, "._-") ;
}
bool valid_package(std::string_view text) noexcept {
  return text.size() >= 2 && text.size() <= 128 && letter_or_digit(text.front()) && all_of(text, "+.-");
}
bool valid_mirror(std::string_view text) noexcept {
  const bool scheme = text.starts_with("http://") || text.starts_with("https://") || text.starts_with("file:///");
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  return scheme && plain && text.size() > text.find("//") + 2;
}
bool valid_digest(std::string_view text) noexcept {
  if (!text.starts_with("sha256:") || text.size() != 7 + 64) return false;
  return text.substr(7).find_first_not_of("0123456789abcdef") == text.npos;
}
// Absolute, and nowhere a "..": a path that means the same before and after links are followed.
bool valid_path(std::string_view text) noexcept {
  if (text.size() < 2 || text.size() > longest_path || text.front() != '/') return false;
  return (std::string{text} + "/").find("/../") == std::string::npos;
}

DebootstrapSource read_debootstrap(ObjectReader& in) {
  DebootstrapSource source;
  source.suite = in.string("suite", 1024).value_or(source.suite);
  if (!valid_suite(source.suite)) in.fail("suite", "format", "\"" + source.suite + "\" is not the name of a suite, such as stable or bookworm");
  source.mirror = in.string("mirror", 2048).value_or("");
  if (!source.mirror.empty() && !valid_mirror(source.mirror)) in.fail("mirror", "format", "must be a URL beginning with http://, https:// or file:///");
  constexpr const char* variants[] = {"minbase", "buildd", "standard"};
  source.variant = variants[in.choice("variant", {variants[0], variants[1], variants[2]}).value_or(0)];
  source.packages = in.strings("packages", 1024, 1024).value_or(std::vector<std::string>{});
  for (std::size_t i = 0; i < source.packages.size(); ++i)
    if (!valid_package(source.packages[i]))
      in.fail_in("packages", std::to_string(i), "format", "\"" + source.packages[i] + "\" is not the name of a package");
  return source;
}

TarballSource read_tarball(ObjectReader& in) {
  TarballSource source;
  source.path = in.string("path", 65536).value_or("");
  if (!source.path.empty() && !valid_path(source.path)) in.fail("path", "format", "must be an absolute path without \"..\"");
  source.digest = in.string("digest", 1024).value_or("");
  if (!source.digest.empty() && !valid_digest(source.digest))
    in.fail("digest", "format", "must be sha256: and 64 hexadecimal digits in lower case");
  in.not_yet("url", nullptr);
  return source;
}

std::vector<std::string> read_paths(ObjectReader& in, const char* key) {
  auto paths = in.strings(key, 4096, 65536).value_or(std::vector<std::string>{});
  for (std::size_t i = 0; i < paths.size(); ++i)
    if (!valid_path(paths[i])) in.fail_in(key, std::to_string(i), "format", "\"" + paths[i].substr(0, 80) + "\" is not an absolute path without \"..\"");
  return paths;
}

BinariesSource read_binaries(ObjectReader& in) {
  BinariesSource source;
  source.binaries = read_paths(in, "binaries");
  source.files = read_paths(in, "files");
  if (in.has("binaries") && source.binaries.empty() && in.raw("binaries")->empty()) in.fail("binaries", "range", "must name at least one file");
  in.require("binaries");
  return source;
}

ContainerSource read_container(ObjectReader& in) {
  ContainerSource source;
  source.container = in.string("container", 1024).value_or("");
  in.require("container");
  if (in.has("container") && in.raw("container")->is_string() && !valid_name(source.container))
    in.fail("container", "format", "\"" + source.container.substr(0, 80) + "\" cannot be the name of a container");
  return source;
}

void read_source(ObjectReader& in, ImageSpec& spec) {
  in.require("type");
  const auto type = in.choice("type", {"debootstrap", "tarball", "binaries", "container", "oci"});
  if (type == 0u) spec.source = read_debootstrap(in);
  else if (type == 1u) spec.source = read_tarball(in);
  else if (type == 2u) spec.source = read_binaries(in);
  else if (type == 3u) spec.source = read_container(in);
  if (type >= 4u) in.fail("type", "unsupported", "this source is not available in this version");
  // Without a known type nobody can say which of the other fields are right.
  if (!type || *type >= 4)
    for (const char* key : {"suite", "mirror", "variant", "packages", "path", "url", "digest", "binaries", "files", "container", "reference"})
      in.raw(key);
}

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json write_source(const DebootstrapSource& source) {
  return {{"type", "debootstrap"}, {"suite", source.suite}, {"mirror", or_null(source.mirror)}, {"variant", source.variant}, {"packages", source.packages}};
}
Json write_source(const TarballSource& source) {
  return {{"type", "tarball"}, {"path", or_null(source.path)}, {"digest", or_null(source.digest)}};
}
Json write_source(const BinariesSource& source) {
  return {{"type", "binaries"}, {"binaries", source.binaries}, {"files", source.files}};
}
Json write_source(const ContainerSource& source) { return {{"type", "container"}, {"container", source.container}}; }

}  // namespace

ImageSpec read_image_spec(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  ImageSpec spec;
  in.require("source");
  in.object("source", [&](ObjectReader& source) { read_source(source, spec); });
  in.finish();
  throw_if_any(std::move(errors));
  return spec;
}

Json write_image_spec(const ImageSpec& spec) {
  return {{"source", std::visit([](const auto& source) { return write_source(source); }, spec.source)}};
}

}  // namespace sovirt
