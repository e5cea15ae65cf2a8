#include "daemon/server/target.hpp"

#include <optional>

#include "daemon/base/error.hpp"
#include "daemon/server/head_check.hpp"

namespace sovirt {
namespace {

bool is_alnum(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void check_characters(std::string_view text) {
  for (const char c : text)
    if (!is_alnum(c) && std::string_view{"-._~!$&'()*+,;=:@/?%"}.find(c) == std::string_view::npos)
      throw Error{Code::malformed, "the target holds a character that a URI must have percent-encoded"};
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// nullopt: a bad escape, or NUL.
std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) c = ' ';
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    out.push_back(c);
  }
  return out;
}

std::string_view without_authority(std::string_view text) {
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos || !(same_text(text.substr(0, scheme), "http") || same_text(text.substr(0, scheme), "https")))
    throw Error{Code::malformed, "the target is neither a path nor an http URI"};
  const auto authority = text.substr(scheme + 3);
  const auto path = authority.find('/');
  if (path == 0 || authority.empty()) throw Error{Code::malformed, "the target has no authority"};
  return path == std::string_view::npos ? std::string_view{"/"} : authority.substr(path);
}

}  // namespace

Target split_target(std::string_view method, std::string_view text) {
  if (method == "CONNECT") throw Error{Code::malformed, "this server is no proxy"};
  if (text == "*") {
    if (method != "OPTIONS") throw Error{Code::malformed, "the target * is for OPTIONS only"};
    return {text, {}, {}};
  }
  check_characters(text);
  if (text.front() != '/') text = without_authority(text);
  Target target;
  const auto mark = text.find('?');
  target.path = text.substr(0, mark);
  if (mark != std::string_view::npos) target.query = text.substr(mark + 1);
  for (auto rest = target.path.substr(1);;) {
    const auto slash = rest.find('/');
    target.segments.push_back(rest.substr(0, slash));
    if (slash == std::string_view::npos) return target;
    rest.remove_prefix(slash + 1);
  }
}

std::string decode_segment(std::string_view text) {
  auto decoded = decode(text, false);
  if (!decoded) throw Error{Code::bad_name, "a bad percent escape in the path"};
  if (decoded->find('/') != std::string::npos) throw Error{Code::bad_name, "an encoded slash in the path"};
  return *std::move(decoded);
}

std::vector<std::pair<std::string, std::string>> split_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto part = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const auto equals = part.find('=');
    auto key = decode(part.substr(0, equals), true);
    auto value = equals == std::string_view::npos ? std::string{} : decode(part.substr(equals + 1), true);
    if (!key || !value) throw Error{Code::bad_query, "a bad percent escape in the query"};
    if (key->empty()) throw Error{Code::bad_query, "a query parameter without a name"};
    pairs.emplace_back(*std::move(key), *std::move(value));
  }
  return pairs;
}

}  // namespace sovirt
