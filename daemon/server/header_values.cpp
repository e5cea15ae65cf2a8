#include "daemon/server/header_values.hpp"

#include <algorithm>
#include <charconv>

#include "api/bytes.hpp"
#include "daemon/base/error.hpp"
#include "daemon/server/head_check.hpp"

namespace sovirt {
namespace {

template <class Number>
std::optional<Number> number_of(std::string_view text) noexcept {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Splits at a separator that is not inside a quoted string, and trims.
std::vector<std::string_view> split_list(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '"') quoted = !quoted;
    if (i < text.size() && (text[i] != separator || quoted)) continue;
    parts.push_back(trim_blanks(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  return parts;
}

// q=0 means "not this one".
double quality(const std::vector<std::string_view>& parameters) {
  for (std::size_t i = 1; i < parameters.size(); ++i)
    if (parameters[i].size() > 2 && (parameters[i][0] == 'q' || parameters[i][0] == 'Q') && parameters[i][1] == '=') {
      double value = 0;
      const auto text = parameters[i].substr(2);
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      return error == std::errc{} && end == text.data() + text.size() ? value : 0;
    }
  return 1;
}

}  // namespace

EntityTags read_entity_tags(std::string_view field, std::string_view value) {
  EntityTags tags;
  value = trim_blanks(value);
  if (value == "*") {
    tags.any = true;
    return tags;
  }
  for (auto part : split_list(value, ',')) {
    const bool weak = part.starts_with("W/");
    if (weak) part.remove_prefix(2);
    if (part.size() < 2 || part.front() != '"' || part.back() != '"' || part.substr(1, part.size() - 2).find('"') != std::string_view::npos)
      throw Error{Code::malformed, std::string{field} + " is not a list of entity tags like \"3\", or *"};
    const auto revision = number_of<std::int64_t>(part.substr(1, part.size() - 2));
    if (!revision || *revision <= 0) ++tags.foreign;
    else (weak ? tags.weak : tags.revisions).push_back(*revision);
  }
  return tags;
}

std::string entity_tag(std::int64_t revision) { return '"' + std::to_string(revision) + '"'; }

bool accepts(std::string_view accept, std::string_view type) {
  const auto family = std::string{type.substr(0, type.find('/'))} + "/*";
  // The most specific range decides: exact, then type/*, then */*.
  int best = -1;
  double best_quality = 0;
  for (const auto range : split_list(accept, ',')) {
    const auto parameters = split_list(range, ';');
    const int rank = same_text(parameters[0], type) ? 2 : same_text(parameters[0], family) ? 1 : parameters[0] == "*/*" ? 0 : -1;
    if (rank < 0 || rank < best) continue;
    const double q = quality(parameters);
    best_quality = rank == best ? std::max(best_quality, q) : q;
    best = rank;
  }
  return best >= 0 && best_quality > 0;
}

std::string media_type(std::string_view content_type) {
  const auto parameters = split_list(content_type, ';');
  for (std::size_t i = 1; i < parameters.size(); ++i) {
    if (!same_text(parameters[i].substr(0, 8), "charset=")) continue;
    auto charset = parameters[i].substr(8);
    if (charset.size() >= 2 && charset.front() == '"' && charset.back() == '"') charset = charset.substr(1, charset.size() - 2);
    if (!same_text(charset, "utf-8") && !same_text(charset, "utf8")) return {};
  }
  std::string type{parameters[0]};
  std::transform(type.begin(), type.end(), type.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return type;
}

std::optional<std::chrono::seconds> preferred_wait(std::string_view prefer) {
  for (const auto part : split_list(prefer, ',')) {
    const auto preference = trim_blanks(part.substr(0, part.find(';')));
    const auto equals = preference.find('=');
    if (equals == std::string_view::npos || !same_text(trim_blanks(preference.substr(0, equals)), "wait")) continue;
    const auto seconds = number_of<std::uint32_t>(trim_blanks(preference.substr(equals + 1)));
    if (seconds) return std::chrono::seconds{std::min(*seconds, 300u)};
  }
  return std::nullopt;
}

std::uint64_t read_number(std::string_view key, std::string_view text, std::uint64_t least, std::uint64_t most) {
  const auto value = number_of<std::uint64_t>(text);
  if (!value || *value < least || *value > most)
    throw Error{Code::bad_query, std::string{key} + " must be a number from " + std::to_string(least) + " to " + std::to_string(most)};
  return *value;
}

bool read_flag(std::string_view key, std::string_view text) {
  if (text.empty() || text == "true") return true;
  if (text == "false") return false;
  throw Error{Code::bad_query, std::string{key} + " must be true or false"};
}

std::chrono::milliseconds read_wait(std::string_view key, std::string_view text) {
  std::optional<std::chrono::milliseconds> wait;
  if (const auto seconds = number_of<std::uint32_t>(text); seconds && *seconds <= 300) wait = std::chrono::seconds{*seconds};
  else if (!seconds)
    if (const auto duration = parse_duration(text)) wait = std::chrono::duration_cast<std::chrono::milliseconds>(*duration);
  if (!wait || wait->count() < 0 || *wait > std::chrono::seconds{300})
    throw Error{Code::bad_query, std::string{key} + " must be a duration of at most 300s, like 30s"};
  return *wait;
}

}  // namespace sovirt
