#include "client/ctl/json_text.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "api/bytes.hpp"
#include "api/timestamp.hpp"

namespace sovirt::ctl {

namespace {

std::string joined(const Json& list) {
  std::string out;
  for (const Json& item : list) out += (out.empty() ? "" : ", ") + text(item);
  return out;
}

std::string pairs(const Json& object) {
  std::string out;
  for (const auto& [key, value] : object.items()) out += (out.empty() ? "" : ", ") + key + "=" + (value.is_null() ? "null" : text(value));
  return out;
}

std::optional<Time> time_of(const Json& value) {
  return value.is_string() ? parse_rfc3339(value.get_ref<const std::string&>()) : std::nullopt;
}

// Whole seconds once there is one: nobody wants to know that something is 12.4 s old.
std::string age_text(Time since) {
  auto passed = std::chrono::duration_cast<std::chrono::nanoseconds>(now() - since);
  passed = std::max(passed, std::chrono::nanoseconds(0));
  if (passed > std::chrono::seconds(1)) passed = std::chrono::floor<std::chrono::seconds>(passed);
  if (passed < std::chrono::seconds(1)) return "0s";
  if (passed < std::chrono::minutes(2)) return std::to_string(passed / std::chrono::seconds(1)) + "s";
  if (passed < std::chrono::hours(2)) return std::to_string(passed / std::chrono::minutes(1)) + "m";
  if (passed < std::chrono::hours(48)) return std::to_string(passed / std::chrono::hours(1)) + "h";
  return std::to_string(passed / std::chrono::hours(24)) + "d";
}

}  // namespace

const Json& at(const Json& document, const char* pointer) {
  static const Json nothing;
  const Json* here = &document;
  std::string_view path(pointer);
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view key = path.substr(0, path.find('/'));
    if (!here->is_object()) return nothing;
    const auto found = here->find(std::string(key));
    if (found == here->end()) return nothing;
    here = &*found;
    path.remove_prefix(key.size());
  }
  return *here;
}

std::string text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_null()) return {};
  if (value.is_array()) return joined(value);
  if (value.is_object()) return pairs(value);
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text(const Json& document, const char* pointer) { return text(at(document, pointer)); }

std::string size_text(const Json& bytes) {
  if (!bytes.is_number_integer() || bytes < 0) return {};
  std::string shown = bytes_text(bytes.get<std::uint64_t>());
  if (const std::size_t zero = shown.find(".0"); zero != std::string::npos) shown.erase(zero, 2);  // as people write it
  return shown;
}

std::string time_text(const Json& nanoseconds) {
  return nanoseconds.is_number() ? duration_text(std::chrono::nanoseconds(nanoseconds.get<std::int64_t>())) : std::string();
}

std::string age(const Json& value) {
  const auto time = time_of(value);
  return time ? age_text(*time) : std::string();
}

std::string moment(const Json& value) {
  const auto time = time_of(value);
  if (!time) return {};
  std::string shown = value.get<std::string>().substr(0, 19);
  std::replace(shown.begin(), shown.end(), 'T', ' ');
  return shown + " UTC (" + age_text(*time) + " ago)";
}

std::string short_digest(const Json& value) {
  const std::string digest = text(value);
  const std::size_t colon = digest.find(':');
  return colon == std::string::npos ? digest : digest.substr(0, colon + 13);
}

Cell state_cell(const Json& state) {
  const std::string word = text(state);
  const auto among = [&word](std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(), [&word](const char* one) { return word == one; });
  };
  if (among({"running", "ready", "done", "up", "ok", "present", "restored"})) return {word, Style::good};
  if (among({"failed", "interrupted", "foreign", "missing", "error", "degraded"})) return {word, Style::bad};
  if (among({"frozen", "building", "waiting", "pending", "absent", "cancelled", "unknown"})) return {word, Style::warn};
  return {word, Style::dim};
}

std::string ref_of(const Json& resource) { return text(resource, "/kind") + "/" + text(resource, "/name"); }

Column text_column(std::string heading, std::string pointer) {
  return {std::move(heading), [pointer = std::move(pointer)](const Json& row) { return Cell(text(row, pointer.c_str())); }};
}

}  // namespace sovirt::ctl
