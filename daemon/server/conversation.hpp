#pragma once
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

namespace sovirt {

// Codes of RFC 6455, 7.4.1, as far as they are said here.
enum class CloseCode : std::uint16_t {
  normal = 1000,
  going_away = 1001,        // the daemon stops
  unsupported_data = 1003,  // a text message where bytes are spoken
  invalid_payload = 1007,   // JSON that is none
  policy = 1008,            // what the subprotocol does not know
  too_big = 1009,
  internal = 1011,
};

// The client has said what it must not: closes the WebSocket.
class Violation : public std::exception {
 public:
  Violation(CloseCode code, std::string reason) : code_(code), reason_(std::move(reason)) {}
  const char* what() const noexcept override { return reason_.c_str(); }
  CloseCode code() const noexcept { return code_; }

 private:
  CloseCode code_;
  std::string reason_;
};

// A WebSocket, as the one who speaks over it sees it. Event loop.
class Line {
 public:
  virtual ~Line() = default;
  virtual boost::asio::io_context& io() noexcept = 0;
  // One at a time: the next one after on_sent(). The bytes must stay until then.
  virtual void send(std::string_view message, bool binary) = 0;
  // The next message is wanted; what on_message() was given is not valid any more. One at a time.
  virtual void receive() = 0;
  // Ends it politely, after what is being sent.
  virtual void close(CloseCode, std::string_view reason) = 0;
};

// What is said over a WebSocket. Event loop. It asks for messages when it has room for them, so that a client that
// is too fast is slowed down by its own socket.
class Conversation {
 public:
  virtual ~Conversation() = default;
  virtual void begin(Line&) = 0;                                          // the WebSocket is open
  virtual void on_message(std::string_view message, bool binary) = 0;     // may throw Violation
  virtual void on_sent() = 0;
  virtual void on_end() noexcept = 0;                                     // the line is gone: lets go of everything
};

}  // namespace sovirt
