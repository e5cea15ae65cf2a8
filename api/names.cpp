#include "api/names.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

constexpr std::size_t longest_interface_name = 15;  // IFNAMSIZ without its NUL
constexpr std::size_t longest_label = 63;           // a DNS label, so that a name can be a host's

struct KindNames {
  Kind kind;
  std::string_view text, plural;
  std::size_t longest;
};
constexpr std::array kinds{
    KindNames{Kind::bridge, "bridge", "bridges", longest_interface_name},
    KindNames{Kind::container, "container", "containers", longest_label},
    KindNames{Kind::image, "image", "images", longest_label},
    KindNames{Kind::cgroup, "cgroup", "cgroups", longest_label},
    KindNames{Kind::volume, "volume", "volumes", longest_label},
    KindNames{Kind::netns, "netns", "netns", longest_label},
    KindNames{Kind::link, "link", "links", longest_interface_name},
};

const KindNames& names_of(Kind kind) noexcept {
  for (const KindNames& names : kinds)
    if (names.kind == kind) return names;
  return kinds.front();  // a kind without a row cannot be made
}

bool first_letter(char c) noexcept { return c >= 'a' && c <= 'z'; }
bool name_letter(char c) noexcept { return first_letter(c) || (c >= '0' && c <= '9') || c == '-'; }

// The character as a reader can see it, for bytes a terminal would swallow too.
std::string shown(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte > 0x20 && byte < 0x7f) return std::string{"'"} + c + "'";
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "byte 0x%02x", byte);
  return c == ' ' ? "a space" : text.data();
}

std::string quoted(std::string_view name) {
  std::string text;
  for (const char c : name.substr(0, 80)) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte >= 0x20 && byte < 0x7f ? c : '?';
  }
  return '"' + text + (name.size() > 80 ? "…\"" : "\"");
}

std::string what_is_wrong(Kind kind, std::string_view name) {
  if (name.empty()) return "a name cannot be empty";
  for (const char c : name)
    if (!name_letter(c)) return quoted(name) + ": " + shown(c) + " is not allowed in a name, only a-z, 0-9 and -";
  if (!first_letter(name.front())) return quoted(name) + ": a name must begin with a-z";
  const auto longest = std::to_string(longest_name(kind));
  return quoted(name) + ": " + (longest_name(kind) == longest_interface_name ? "an interface name" : "a name") + " has at most " + longest +
         " bytes, this one " + std::to_string(name.size());
}

}  // namespace

const std::vector<Kind>& all_kinds() {
  static const std::vector<Kind> all = [] {
    std::vector<Kind> list;
    for (const KindNames& names : kinds) list.push_back(names.kind);
    return list;
  }();
  return all;
}

std::string_view kind_text(Kind kind) noexcept { return names_of(kind).text; }
std::string_view kind_plural(Kind kind) noexcept { return names_of(kind).plural; }
std::size_t longest_name(Kind kind) noexcept { return names_of(kind).longest; }

bool kind_from_plural(std::string_view text, Kind& out) noexcept {
  for (const KindNames& names : kinds)
    if (names.plural == text) return out = names.kind, true;
  return false;
}

bool kind_from_text(std::string_view text, Kind& out) noexcept {
  for (const KindNames& names : kinds)
    if (names.text == text) return out = names.kind, true;
  return false;
}

bool valid_name(std::string_view name, std::size_t longest) noexcept {
  if (name.empty() || name.size() > longest || !first_letter(name.front())) return false;
  for (const char c : name)
    if (!name_letter(c)) return false;
  return true;
}

void check_name(Kind kind, std::string_view name) {
  if (!valid_name(name, longest_name(kind))) throw Error{Code::bad_name, what_is_wrong(kind, name)};
}

std::string object_ref(Kind kind, std::string_view name) {
  return std::string{kind_text(kind)} + "/" + std::string{name};
}

bool valid_interface_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > longest_interface_name || name == "." || name == ".." || name == "lo" || name.front() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ':' && c != '%'; });
}

bool valid_domain(std::string_view text) noexcept {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  constexpr std::size_t longest_label = 63;
  if (text.empty() || text.size() > 253) return false;
  for (;;) {
    const std::string_view label = text.substr(0, text.find('.'));
    if (label.empty() || label.size() > longest_label || !plain(label.front()) || !plain(label.back())) return false;
    if (!std::all_of(label.begin(), label.end(), [&](char c) { return plain(c) || c == '-'; })) return false;
    if (label.size() == text.size()) return true;
    text.remove_prefix(label.size() + 1);
  }
}

}  // namespace sovirt
