#include "client/lib/uri.hpp"

#include <algorithm>
#include <cctype>

namespace sovirt::client {

std::string percent_encode(std::string_view part) {
  static constexpr std::string_view hex = "0123456789ABCDEF";
  const bool dots = part == "." || part == "..";
  std::string out;
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '~' || (c == '.' && !dots));
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
  return out;
}

std::string path_of(std::initializer_list<std::string_view> parts) {
  std::string path;
  for (const std::string_view part : parts) path += "/" + percent_encode(part);
  return path;
}

std::string with_query(std::string target, const Query& query) {
  for (const auto& [key, value] : query) {
    target += target.find('?') == std::string::npos ? '?' : '&';
    target += percent_encode(key) + "=" + percent_encode(value);
  }
  return target;
}

std::string shell_quote(std::string_view word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("-_./:=,@%+").find(c) != std::string_view::npos;
  });
  if (plain) return std::string(word);
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') out += "'\\''";
    else out += c;
  }
  return out + "'";
}

}  // namespace sovirt::client
