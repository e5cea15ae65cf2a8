#include "client/ctl/yaml.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include <nlohmann/json.hpp>

namespace sovirt::ctl {

namespace {

bool reserved_word(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  static constexpr std::array<std::string_view, 9> words{"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Plain only what begins with a letter or a slash and holds nothing that means something to a YAML reader.
bool plain(const std::string& text) {
  if (text.empty() || reserved_word(text)) return false;
  if (std::isalpha(static_cast<unsigned char>(text[0])) == 0 && text[0] != '/') return false;
  if (text.back() == ' ' || text.back() == ':') return false;
  if (text.find(": ") != std::string::npos || text.find(" #") != std::string::npos) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view(" _-./:@+,()=#").find(c) != std::string_view::npos;
  });
}

std::string scalar(const nlohmann::json& value) {
  if (value.is_string() && plain(value.get_ref<const std::string&>())) return value.get<std::string>();
  if (value.is_object()) return "{}";
  if (value.is_array()) return "[]";
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);  // a JSON string is a double-quoted scalar
}

std::string key_text(const std::string& key) { return plain(key) && key.find(':') == std::string::npos ? key : nlohmann::json(key).dump(); }

void write(std::string& out, const nlohmann::json& value, std::size_t depth, bool first_inline) {
  const std::string margin(depth * 2, ' ');
  bool first = first_inline;
  for (auto at = value.begin(); at != value.end(); ++at) {
    out += first ? "" : margin;
    first = false;
    const bool nested = at->is_structured() && !at->empty();
    if (value.is_array()) {
      out += "- ";
      if (nested) write(out, *at, depth + 1, true);
      else out += scalar(*at) + "\n";
    } else {
      out += key_text(at.key()) + ":";
      if (nested) {
        out += "\n";
        write(out, *at, depth + 1, false);
      } else {
        out += " " + scalar(*at) + "\n";
      }
    }
  }
}

}  // namespace

std::string write_yaml(const nlohmann::json& value) {
  std::string out;
  if (value.is_structured() && !value.empty()) write(out, value, 0, false);
  else out = scalar(value) + "\n";
  return out;
}

}  // namespace sovirt::ctl
