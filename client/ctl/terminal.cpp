#include "client/ctl/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace sovirt::ctl {

namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value(environment(name));
    if (value.empty()) continue;
    for (char& c : value) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

// Length in bytes of the code point at the front, 0 if the bytes are not UTF-8.
std::size_t code_point(std::string_view text, char32_t& out) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (size == 0 || size > text.size()) return 0;
  out = size == 1 ? first : first & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return 0;
    out = (out << 6) | (next & 0x3f);
  }
  return size;
}

int columns_of(char32_t c) {
  if (c >= 0x300 && c < 0x370) return 0;  // combining marks
  const bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
                    (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
                    (c >= 0x1f300 && c <= 0x1faff);
  return wide ? 2 : 1;
}

}  // namespace

Terminal examine_terminal(int descriptor, bool no_colour) {
  Terminal terminal;
  terminal.is_terminal = ::isatty(descriptor) == 1;
  if (!terminal.is_terminal) return terminal;
  terminal.colour = !no_colour && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  terminal.unicode = utf8_locale();
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0) terminal.width = size.ws_col;
  const int asked = std::atoi(std::string(environment("COLUMNS")).c_str());
  if (asked > 0) terminal.width = asked;
  return terminal;
}

std::string styled(std::string_view text, Style style, bool colour) {
  if (!colour || style == Style::plain || text.empty()) return std::string(text);
  const char* code = "";
  switch (style) {
    case Style::plain: break;
    case Style::strong: code = "1"; break;
    case Style::dim: code = "2"; break;
    case Style::good: code = "32"; break;
    case Style::warn: code = "33"; break;
    case Style::bad: code = "31"; break;
    case Style::info: code = "36"; break;
  }
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    char32_t c = 0;
    const std::size_t size = code_point(text, c);
    width += size == 0 ? 1 : columns_of(c);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return width;
}

std::string clipped(std::string_view text, int width) {
  if (width <= 0) return {};
  if (display_width(text) <= width) return std::string(text);
  std::string out;
  int used = 0;
  while (!text.empty()) {
    char32_t c = 0;
    const std::size_t size = std::max<std::size_t>(code_point(text, c), 1);
    if (used + columns_of(c) > width - 1) break;
    used += columns_of(c);
    out += text.substr(0, size);
    text.remove_prefix(size);
  }
  return out + "…";
}

std::vector<std::string> wrapped(const std::string& words, int width) {
  std::vector<std::string> lines(1);
  for (std::size_t begin = 0; begin < words.size();) {
    const std::size_t end = std::min(words.find(' ', begin), words.size());
    const std::string word = words.substr(begin, end - begin);
    begin = end + 1;
    if (!lines.back().empty() && display_width(lines.back()) + 1 + display_width(word) > width) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  return lines;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    char32_t c = 0;
    const std::size_t size = code_point(text, c);
    if (size == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0)) out += c == '\n' || c == '\t' ? " " : "?";
    else out += text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

}  // namespace sovirt::ctl
