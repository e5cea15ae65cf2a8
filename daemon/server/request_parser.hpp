#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/server/message.hpp"

namespace sovirt {

// One request, from bytes to Request. The head must have passed check_head(). Wraps Beast's parser.
class RequestParser {
 public:
  RequestParser();
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // `head` is complete. Fills everything of the request that comes from it. Throws Error{malformed}.
  void head(std::string_view head, Request&);
  bool keep_alive() const noexcept;            // what the client wants; false for HTTP/1.0
  std::optional<std::uint64_t> length() const; // of the body; nullopt: chunked

  // From here on at most that many bytes of body, and they go to `sink`. nullopt: no limit.
  void begin_body(std::optional<std::uint64_t> limit, std::string& sink);
  // Appends to the sink; returns the bytes consumed. Throws Error{malformed}, Error{too_large}.
  std::size_t body(std::string_view bytes);
  bool done() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sovirt
