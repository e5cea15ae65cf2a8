#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "daemon/domain/service.hpp"

namespace sovirt {

// One client's way through the durable events. It pulls: nothing is kept for a reader that is slow, and one that has
// fallen behind what the database keeps is told with `reset`.
class EventFeed {
 public:
  // after: the last id the client has seen; nullopt: only what comes from now on.
  EventFeed(Service& service, std::optional<std::int64_t> after, EventFilter filter);

  bool behind() const { return after_ != service_.last_event(); }   // event loop
  // The next events, "" if there are none for this client. Reads the database: pool.
  std::string pull();                             // as text of an event stream (WHATWG HTML, 9.2)
  std::deque<std::string> pull_documents();       // as JSON, one each

 private:
  struct Told { std::int64_t id; std::string type; Json document; };
  std::deque<Told> next();

  Service& service_;
  std::int64_t after_;
  EventFilter filter_;
};

std::string write_event(const Event&);   // "id: 7\nevent: created\ndata: {…}\n\n"

}  // namespace sovirt
