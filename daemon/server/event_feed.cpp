#include "daemon/server/event_feed.hpp"

#include "api/timestamp.hpp"
#include "daemon/server/message.hpp"

namespace sovirt {
namespace {

constexpr std::size_t page = 100;

std::string frame(std::int64_t id, const std::string& type, const Json& data) {
  return "id: " + std::to_string(id) + "\nevent: " + type + "\ndata: " + to_text(data) + "\n\n";
}

}  // namespace

std::string write_event(const Event& event) {
  return frame(event.id, event.type,
               {{"id", event.id}, {"at", rfc3339(event.at)}, {"type", event.type}, {"kind", event.kind}, {"name", event.name},
                {"uid", event.uid}, {"data", event.data}, {"request_id", event.request_id}});
}

EventFeed::EventFeed(Service& service, std::optional<std::int64_t> after, EventFilter filter)
    : service_(service), after_(after ? *after : service.last_event()), filter_(std::move(filter)) {}

std::string EventFeed::pull() {
  const auto last = service_.last_event();
  if (after_ == last) return {};
  const auto oldest = service_.oldest_event();
  // Ids after the last come from another database; ids before the oldest have successors that are not kept any more.
  if (after_ > last || oldest == 0 || after_ + 1 < oldest) {
    after_ = last;
    return frame(last, "reset", {{"oldest", oldest}, {"seq", last}});
  }
  std::string text;
  const auto events = service_.events(after_, filter_, page);
  for (const auto& event : events) text += write_event(event);
  // A full page may have more behind it. Otherwise everything up to `last` was looked at, whatever the filter took.
  if (!events.empty()) after_ = events.back().id;
  if (events.size() < page) after_ = std::max(after_, last);
  return text;
}

}  // namespace sovirt
