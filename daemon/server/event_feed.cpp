#include "daemon/server/event_feed.hpp"

#include "api/timestamp.hpp"
#include "daemon/server/message.hpp"

namespace sovirt {
namespace {

constexpr std::size_t page = 100;

std::string frame(std::int64_t id, const std::string& type, const Json& data) {
  return "id: " + std::to_string(id) + "\nevent: " + type + "\ndata: " + to_text(data) + "\n\n";
}

Json document(const Event& event) {
  return {{"id", event.id}, {"at", rfc3339(event.at)}, {"type", event.type}, {"kind", event.kind}, {"name", event.name},
          {"uid", event.uid}, {"data", event.data}, {"request_id", event.request_id}};
}

}  // namespace

std::string write_event(const Event& event) { return frame(event.id, event.type, document(event)); }

EventFeed::EventFeed(Service& service, std::optional<std::int64_t> after, EventFilter filter)
    : service_(service), after_(after ? *after : service.last_event()), filter_(std::move(filter)) {}

std::deque<EventFeed::Told> EventFeed::next() {
  std::deque<Told> told;
  const auto last = service_.last_event();
  if (after_ == last) return told;
  const auto oldest = service_.oldest_event();
  // Ids after the last come from another database; ids before the oldest have successors that are not kept any more.
  if (after_ > last || oldest == 0 || after_ + 1 < oldest) {
    after_ = last;
    told.push_back({last, "reset", {{"id", last}, {"type", "reset"}, {"oldest", oldest}, {"seq", last}}});
    return told;
  }
  for (const auto& event : service_.events(after_, filter_, page)) told.push_back({event.id, event.type, document(event)});
  // A full page may have more behind it. Otherwise everything up to `last` was looked at, whatever the filter took.
  if (!told.empty()) after_ = told.back().id;
  if (told.size() < page) after_ = std::max(after_, last);
  return told;
}

std::string EventFeed::pull() {
  std::string text;
  for (const Told& one : next()) text += frame(one.id, one.type, one.document);
  return text;
}

std::deque<std::string> EventFeed::pull_documents() {
  std::deque<std::string> documents;
  for (const Told& one : next()) documents.push_back(to_text(one.document));
  return documents;
}

}  // namespace sovirt
