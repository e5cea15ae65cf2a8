#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/local/stream_protocol.hpp>

#include "daemon/server/conversation.hpp"
#include "daemon/server/message.hpp"

namespace sovirt {

inline constexpr std::size_t most_message_bytes = 1 << 20;   // more closes it with 1009

// A connection that has become a WebSocket. Event loop.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // Answers the upgrade and begins the conversation.
  virtual void open(const Request&, const std::vector<Header>& more) = 0;
  virtual void close(CloseCode) = 0;   // politely, within a moment
  virtual void abort() = 0;
};

// `protocol`: the subprotocol agreed on, or "". ended: called once, when nothing is left of it.
std::shared_ptr<WebSocket> make_web_socket(boost::asio::local::stream_protocol::socket, std::shared_ptr<Conversation>,
                                           std::string server, std::string protocol, std::chrono::milliseconds ping,
                                           std::function<void()> ended);

}  // namespace sovirt
