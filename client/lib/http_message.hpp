#pragma once
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sovirt::client {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string target;              // "/v1/bridges?limit=10", percent-encoded already
  Headers headers;                 // without Host, Content-Length and Connection
  std::string body;
  int upload = -1;                 // a file to be sent instead of body, from its start; not owned
  std::uint64_t upload_size = 0;
  bool upload_stream = false;      // not a file but what can be read until it ends, sent in chunks
  std::string upload_name;         // what to call that file when the request is shown
};

struct HttpResponse {
  int status = 0;
  Headers headers;                 // names in lower case
  std::string body;                // empty where a sink took it
  bool keep_alive = true;
  std::string header(std::string_view lower_case_name) const;  // "" if absent; the first, if several
};

// What the other side sent is not HTTP as RFC 9112 has it.
class ProtocolError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Takes the bytes of one response as they come. Strict: anything that two readers could understand differently
// (both lengths, folded headers, bare control bytes, a coding other than chunked) is a ProtocolError.
class ResponseParser {
 public:
  using Sink = std::function<void(std::string_view)>;
  explicit ResponseParser(Sink body) : sink_(std::move(body)) {}

  std::size_t feed(std::string_view bytes);  // how many were taken: fewer than given once done()
  void end_of_stream();                      // throws unless the response may end there
  bool done() const noexcept { return state_ == State::done; }
  bool begun() const noexcept { return begun_; }
  bool head_done() const noexcept { return state_ != State::status && state_ != State::header; }
  HttpResponse& response() noexcept { return response_; }

 private:
  enum class State { status, header, length, until_close, chunk_size, chunk, chunk_end, trailer, done };
  bool take_line(std::string_view& bytes);
  void read_line();
  void read_status();
  void read_header();
  void read_chunk_size();
  void end_head();
  void take_body(std::string_view& bytes);

  Sink sink_;
  HttpResponse response_;
  State state_ = State::status;
  std::string line_;
  std::size_t head_bytes_ = 0;
  std::uint64_t left_ = 0;
  bool begun_ = false;
};

}  // namespace sovirt::client
