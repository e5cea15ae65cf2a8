#pragma once
#include <memory>

#include "daemon/domain/container_terminals.hpp"
#include "daemon/server/message.hpp"

namespace sovirt {

class ConsoleFeeds;

struct ConsoleManners {
  bool watches_only = false;
  bool takes_keyboard = false;                // from whoever has it
  std::optional<WindowSize> size;             // of the terminal, once the keyboard is ours
};

// A container's console over one WebSocket, as sovirt.exec.v1. What the daemon itself has to say comes on the channel
// of errors, a line each.
std::shared_ptr<Conversation> make_console_conversation(std::shared_ptr<ConsoleFeeds>, OpenConsole, ConsoleManners);

}  // namespace sovirt
