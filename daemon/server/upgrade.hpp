#pragma once
#include <string_view>

#include "daemon/server/message.hpp"

namespace sovirt {

// RFC 6455, 4.2.1: what a request must say to become a WebSocket.
bool wants_upgrade(const Request&) noexcept;
// Throws Error{malformed}, HttpError 426. A client that offers no subprotocol at all is taken to know what it does.
void check_upgrade(const Request&, std::string_view protocol);

}  // namespace sovirt
