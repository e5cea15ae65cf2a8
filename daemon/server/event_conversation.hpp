#pragma once
#include <memory>

#include "daemon/server/conversation.hpp"

namespace sovirt {

class Core;
class EventFeed;

// Events over a WebSocket: a text message each, the document that an event stream has as its data. What the client says
// is not listened to. Nothing is kept for one that is slow but a page.
std::shared_ptr<Conversation> make_event_conversation(std::shared_ptr<EventFeed>, std::shared_ptr<Core>);

}  // namespace sovirt
