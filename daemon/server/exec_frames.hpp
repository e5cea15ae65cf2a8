#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/domain/ports/terminals.hpp"
#include "daemon/server/conversation.hpp"

namespace sovirt {

// The subprotocol sovirt.exec.v1: binary messages, whose first byte is the channel.
inline constexpr std::string_view exec_protocol = "sovirt.exec.v1";

enum class Channel : std::uint8_t {
  input = 0,    // from the client; empty: there will be no more
  output = 1,   // to the client
  errors = 2,   // to the client
  resize = 3,   // from the client: {"rows":24,"cols":80}
  signal = 4,   // from the client: TERM, "TERM", 15 or {"signal":…}
  end = 5,      // to the client, the last: {"code":0,"signal":null}
};

struct ClientFrame {
  Channel channel = Channel::input;
  std::string_view bytes;   // of input
  WindowSize size;          // of resize
  int signal = 0;           // of signal
};

ClientFrame read_client_frame(std::string_view message, bool binary);   // throws Violation
std::string write_end_frame(const ExitStatus&);

}  // namespace sovirt
