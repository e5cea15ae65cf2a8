#pragma once
#include <cstddef>
#include <string_view>

namespace sovirt {

// The strictness that request smuggling needs to be impossible, before any parser sees a byte: a head that two
// readers could read in two ways is refused, even where RFC 9112 lets a server be generous.
class HeadScanner {
 public:
  explicit HeadScanner(std::size_t most) noexcept : most_(most) {}

  // `bytes` begins with the request line and grows from call to call. 0: more is needed; otherwise the length of
  // the head with its empty line. Throws Error{malformed} at the first byte that cannot be of a head,
  // Error{header_too_large} above `most`.
  std::size_t scan(std::string_view bytes);
  void reset() noexcept { position_ = line_ = 0; }

 private:
  std::size_t most_;
  std::size_t position_ = 0;  // looked at up to here
  std::size_t line_ = 0;      // where the present line begins
};

// The fields of a complete head: syntax of each line, and the framing (Content-Length, Transfer-Encoding, Host)
// that must be there exactly once and in one form. Throws Error{malformed}, Error{header_too_large} above 100 fields.
void check_head(std::string_view head);

bool is_token(std::string_view) noexcept;              // RFC 9110, 5.6.2
std::string_view trim_blanks(std::string_view) noexcept;
bool same_text(std::string_view, std::string_view) noexcept;  // ASCII, ignoring case

}  // namespace sovirt
