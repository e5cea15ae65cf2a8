#pragma once
#include <memory>

#include "daemon/domain/ports/terminals.hpp"
#include "daemon/server/message.hpp"

namespace sovirt {

// A process's streams over one WebSocket, as sovirt.exec.v1.
std::shared_ptr<Conversation> make_exec_conversation(std::unique_ptr<ExecSession>);

}  // namespace sovirt
