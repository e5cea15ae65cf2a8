#include "daemon/server/head_check.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

constexpr std::size_t most_fields = 100;

Error malformed(std::string detail) { return Error{Code::malformed, std::move(detail)}; }

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// METHOD SP TARGET SP HTTP/1.x, with exactly those two spaces.
void check_request_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    throw malformed("the request line is not METHOD TARGET HTTP/1.1");
  if (!is_token(line.substr(0, first))) throw malformed("the method is not a token");
  const auto target = line.substr(first + 1, last - first - 1);
  if (target.empty() || target.find(' ') != std::string_view::npos) throw malformed("the request line holds more than one target");
  for (const char c : target)
    if (c <= 0x20 || c == 0x7f) throw malformed("the target holds a byte that is not visible ASCII");
  const auto version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    throw malformed("this server speaks HTTP/1.1 and HTTP/1.0 only");
}

struct Framing {
  unsigned hosts = 0, lengths = 0, encodings = 0;
};

void check_content_length(std::string_view value) {
  if (value.empty() || value.size() > 18 || !std::all_of(value.begin(), value.end(), is_digit))
    throw malformed("Content-Length is not a decimal number");
}

void check_host(std::string_view value) {
  const auto bad = [](char c) {
    return !(is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || std::string_view{"-._~:[]%!$&'()*+,;="}.find(c) != std::string_view::npos);
  };
  if (std::any_of(value.begin(), value.end(), bad)) throw malformed("Host is not a host name");
}

// Fields of which a second one means that two senders wrote this head. -1: may come more than once.
int index_of_single(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 6> names{"content-type", "content-encoding", "expect", "x-request-id", "last-event-id", "authorization"};
  for (std::size_t i = 0; i < names.size(); ++i)
    if (same_text(names[i], name)) return static_cast<int>(i);
  return -1;
}

void check_field(std::string_view line, Framing& framing, unsigned& singles) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) throw malformed("a header line has no colon");
  const auto name = line.substr(0, colon);
  if (!is_token(name)) throw malformed("the name of a header field is not a token");
  const auto value = trim_blanks(line.substr(colon + 1));
  for (const char c : value)
    if ((c >= 0 && c < 0x20 && c != '\t') || c == 0x7f) throw malformed("a header field holds a control character");
  if (same_text(name, "content-length")) {
    check_content_length(value);
    if (++framing.lengths > 1) throw malformed("more than one Content-Length");
  } else if (same_text(name, "transfer-encoding")) {
    if (!same_text(value, "chunked")) throw malformed("the only Transfer-Encoding known here is chunked");
    if (++framing.encodings > 1) throw malformed("more than one Transfer-Encoding");
  } else if (same_text(name, "host")) {
    check_host(value);
    if (++framing.hosts > 1) throw malformed("more than one Host");
  } else if (const int index = index_of_single(name); index >= 0) {
    if ((singles & (1u << index)) != 0) throw malformed("a header field that may be there once is there twice");
    singles |= 1u << index;
  }
}

}  // namespace

bool is_token(std::string_view text) noexcept {
  const auto in_token = [](char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || (c != 0 && std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos);
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), in_token);
}

std::string_view trim_blanks(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool same_text(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::size_t HeadScanner::scan(std::string_view bytes) {
  for (; position_ < bytes.size(); ++position_) {
    if (position_ >= most_) throw Error{Code::header_too_large, "the header is larger than " + std::to_string(most_) + " bytes"};
    const char c = bytes[position_];
    if (c == '\0') throw malformed("a NUL byte in the header");
    if (c == '\n') {
      if (position_ == 0 || bytes[position_ - 1] != '\r') throw malformed("a line of the header ends in LF without CR");
      if (position_ - line_ == 1) {
        if (line_ == 0) throw malformed("an empty request line");
        return ++position_;
      }
      // The first line is judged at once: HTTP/0.9 and the preface of HTTP/2 send nothing more that would end the head.
      if (line_ == 0) check_request_line(bytes.substr(0, position_ - 1));
      line_ = position_ + 1;
    } else if (position_ > 0 && bytes[position_ - 1] == '\r') {
      throw malformed("a CR in the header that is not part of a line's end");
    } else if (position_ == line_ && (c == ' ' || c == '\t')) {
      throw malformed(line_ == 0 ? "the request line begins with a blank" : "a folded header line (obs-fold)");
    }
  }
  if (bytes.size() >= most_) throw Error{Code::header_too_large, "the header is larger than " + std::to_string(most_) + " bytes"};
  return 0;
}

void check_head(std::string_view head) {
  const auto first_end = head.find("\r\n");
  const bool http11 = head.substr(0, first_end).ends_with("1.1");
  Framing framing;
  unsigned singles = 0;
  std::size_t fields = 0;
  for (std::size_t at = first_end + 2;;) {
    const auto end = head.find("\r\n", at);
    if (end == std::string_view::npos || end == at) break;
    if (++fields > most_fields) throw Error{Code::header_too_large, "more than " + std::to_string(most_fields) + " header fields"};
    check_field(head.substr(at, end - at), framing, singles);
    at = end + 2;
  }
  if (framing.lengths > 0 && framing.encodings > 0) throw malformed("Content-Length and Transfer-Encoding in one request");
  if (!http11 && framing.encodings > 0) throw malformed("Transfer-Encoding in a request of HTTP/1.0");
  if (http11 && framing.hosts == 0) throw malformed("a request of HTTP/1.1 without Host");
}

}  // namespace sovirt
