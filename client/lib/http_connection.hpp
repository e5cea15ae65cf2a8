#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "client/lib/http_message.hpp"
#include "daemon/base/unique_fd.hpp"

namespace sovirt::client {

// No daemon answers at that path.
class ConnectError : public std::runtime_error {
 public:
  ConnectError(std::string path, int number);
  const std::string& path() const noexcept { return path_; }
  int error_number() const noexcept { return number_; }

 private:
  std::string path_;
  int number_;
};

// The person pressed Ctrl-C, or asked the program to end, while it waited.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

class WaitedTooLong : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What goes on while a request is under way.
struct HttpWatch {
  std::function<bool(std::string_view)> body;        // takes a 2xx body as it comes; false ends the exchange
  std::function<void()> tick;                        // about ten times a second
  std::function<void(std::uint64_t)> sent;           // bytes of the upload so far
  int interrupt = -1;                                // readable: throw Interrupted
  std::chrono::milliseconds silence{0};              // longest wait for the next byte, 0: for ever
};

// One connection to a Unix socket, opened with the first request and kept. Not thread-safe.
// Throws ConnectError, ProtocolError, Interrupted, WaitedTooLong.
class HttpConnection {
 public:
  explicit HttpConnection(std::string socket_path) : path_(std::move(socket_path)) {}
  HttpResponse exchange(const HttpRequest&, const HttpWatch& = {});
  const std::string& path() const noexcept { return path_; }

 private:
  void open();
  bool still_open() const noexcept;
  HttpResponse receive(ResponseParser&, const HttpWatch&, const bool& stopped);
  void send(const HttpRequest&, const HttpWatch&);
  void send_stream(const HttpRequest&, const HttpWatch&);
  bool send_bytes(std::string_view bytes, const HttpWatch&);
  bool ready(short events, const HttpWatch&);

  std::string path_;
  unique_fd socket_;
  bool answered_early_ = false;  // the server answered before all was sent: nothing more may be sent
};

}  // namespace sovirt::client
