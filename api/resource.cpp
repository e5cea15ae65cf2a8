#include "api/resource.hpp"

#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr std::size_t longest_label = 63, most_labels = 64;

bool label_text(std::string_view text) noexcept {
  constexpr std::string_view others = "._/-";
  for (const char c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || others.find(c) != others.npos)) return false;
  return text.size() <= longest_label;
}

Labels read_labels_of(ObjectReader& in) {
  Labels labels = in.string_map("labels", most_labels).value_or(Labels{});
  for (const auto& [key, value] : labels) {
    if (key.empty() || !label_text(key))
      in.fail_in("labels", key, "format", "a label's key has 1 to 63 characters of A-Z a-z 0-9 . _ / -, \"" + key.substr(0, 80) + "\" has not");
    if (!label_text(value))
      in.fail_in("labels", key, "format", "the value of label " + key.substr(0, 80) + " has at most 63 characters of A-Z a-z 0-9 . _ / -");
  }
  return labels;
}

}  // namespace

ResourceBody split_body(const Json& body) {
  std::vector<FieldError> errors;
  ObjectReader in{body, "", errors};
  ResourceBody parts;
  parts.name = in.string("name").value_or("");
  parts.labels = read_labels_of(in);
  throw_if_any(std::move(errors));
  parts.spec = body;
  parts.spec.erase("name");
  parts.spec.erase("labels");
  return parts;
}

Labels read_labels(const Json& json) {
  const Json body{{"labels", json}};
  std::vector<FieldError> errors;
  ObjectReader in{body, "", errors};
  auto labels = read_labels_of(in);
  throw_if_any(std::move(errors));
  return labels;
}

Json write_resource(const Resource& resource, Json status) {
  return {{"kind", kind_text(resource.kind)},
          {"name", resource.name},
          {"uid", resource.uid},
          {"revision", resource.revision},
          {"labels", resource.labels},
          {"created_at", rfc3339(resource.created_at)},
          {"updated_at", rfc3339(resource.updated_at)},
          {"spec", resource.spec},
          {"status", std::move(status)}};
}

}  // namespace sovirt
