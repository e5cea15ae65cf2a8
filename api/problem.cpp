#include "api/problem.hpp"

#include <nlohmann/json.hpp>

namespace sovirt {
namespace {

Json write_fields(const std::vector<FieldError>& fields) {
  Json list = Json::array();
  for (const auto& field : fields)
    list.push_back({{"pointer", field.pointer}, {"code", field.code}, {"detail", field.detail}});
  return list;
}

std::string text_at(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

const Json& list_at(const Json& json, const char* key) {
  static const Json none = Json::array();
  const auto found = json.is_object() ? json.find(key) : json.end();
  return found != json.end() && found->is_array() ? *found : none;
}

std::vector<FieldError> read_fields(const Json& json) {
  std::vector<FieldError> fields;
  for (const auto& item : list_at(json, "errors"))
    fields.push_back({text_at(item, "pointer"), text_at(item, "code"), text_at(item, "detail")});
  return fields;
}

std::vector<std::string> read_conflicts(const Json& json) {
  std::vector<std::string> names;
  for (const auto& item : list_at(json, "conflicts_with"))
    if (item.is_string()) names.push_back(item.get<std::string>());
  return names;
}

int read_errno(const Json& json) {
  const auto found = json.is_object() ? json.find("errno") : json.end();
  return found != json.end() && found->is_number_integer() ? found->get<int>() : 0;
}

}  // namespace

Json write_problem(const Error& error, const std::string& instance, const std::string& request_id) {
  Json problem{{"type", "urn:sovirt:problem:" + std::string{code_text(error.code())}},
               {"title", title_text(error.code())},
               {"status", http_status(error.code())},
               {"code", code_text(error.code())},
               {"detail", error.detail()}};
  if (!instance.empty()) problem["instance"] = instance;
  if (!request_id.empty()) problem["request_id"] = request_id;
  if (!error.fields().empty()) problem["errors"] = write_fields(error.fields());
  if (!error.conflicts_with().empty()) problem["conflicts_with"] = error.conflicts_with();
  if (!error.hint().empty()) problem["hint"] = error.hint();
  if (error.error_number() != 0) problem["errno"] = error.error_number();
  if (!error.syscall().empty()) problem["syscall"] = error.syscall();
  return problem;
}

Error read_problem(const Json& json) {
  auto detail = text_at(json, "detail");
  if (detail.empty()) detail = text_at(json, "title");
  if (detail.empty()) detail = "an error that says nothing about itself";
  return Error{code_from_text(text_at(json, "code")), std::move(detail)}
      .with_fields(read_fields(json))
      .with_conflicts(read_conflicts(json))
      .with_hint(text_at(json, "hint"))
      .with_errno(read_errno(json), text_at(json, "syscall"));
}

}  // namespace sovirt
