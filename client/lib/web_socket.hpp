#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "client/lib/http_message.hpp"

namespace sovirt::client {

// A WebSocket to the daemon, with room for other descriptors beside it. run() is a loop on the calling thread, and all
// handlers are called from there.
class WebSocket {
 public:
  // Connects and upgrades. Throws ConnectError, ApiError where the daemon refuses, ProtocolError.
  WebSocket(const std::string& socket_path, const std::string& target, const std::string& protocol);
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  std::string header(const std::string& name) const;   // of the answer to the upgrade

  void on_message(std::function<void(std::string_view)>);
  // Called while the descriptor is readable. It is the caller's, and non-blocking from here on.
  void on_readable(int fd, std::function<void()>);
  // Leaves after what was sent before. `sent`: called when all is on its way.
  void send(std::string message, std::function<void()> sent = {});
  void post(std::function<void()>);                    // from any thread
  void stop();                                         // run() returns

  struct End { std::uint16_t code = 1006; std::string reason; };   // 1006: the connection broke
  // Until the server has closed it, or stop(). Exceptions of handlers come out of it.
  End run();
  void close();                                        // politely; waits a moment for the other side

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What would say the same to the daemon, for those who want to see it.
HttpRequest upgrade_request(const std::string& target, const std::string& protocol);

}  // namespace sovirt::client
