#include <cstdio>
#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"
#include "client/lib/event_stream.hpp"

namespace sovirt::ctl {

namespace {

struct EventOptions {
  std::optional<std::string> since, kind, name, type;
};

void add_options(Command& command, EventOptions& options) {
  command.option("--since", "ID", "only events after this one", options.since);
  command.option("--kind", "KIND", "only of this kind of object", options.kind).among({"bridge", "container", "image", "operation", "host"});
  command.option("--name", "NAME", "only of the object of this name", options.name);
  command.option("--type", "TYPE", "only of this type, such as started", options.type);
}

std::string target_of(const EventOptions& options, const std::string& since) {
  client::Query query;
  if (!since.empty()) query.emplace_back("since", since);
  if (options.kind) query.emplace_back("kind", *options.kind);
  if (options.name) query.emplace_back("name", *options.name);
  if (options.type) query.emplace_back("type", *options.type);
  return client::with_query("/v1/events", query);
}

Style style_of(const std::string& type) {
  if (type == "failed" || type == "drifted") return Style::bad;
  if (type == "started" || type == "created" || type == "repaired" || type == "thawed") return Style::good;
  if (type == "deleted" || type == "stopped" || type == "exited") return Style::warn;
  return Style::info;
}

// One event on a line. Watched events come one by one, so the columns have fixed widths.
std::string line_of(const Session& session, const Json& event) {
  const std::string when = text(event, "/at").substr(0, 19);
  std::string type = text(event, "/type");
  const std::string space(type.size() < 9 ? 9 - type.size() : 0, ' ');
  std::string line = styled(when.size() == 19 ? when.substr(11) : when, Style::dim, session.out().colour) + "  " +
                     styled(printable(type), style_of(type), session.out().colour) + space + "  " + printable(ref_of(event));
  const Json& data = at(event, "/data");
  if (data.is_object())
    for (const auto& [key, value] : data.items()) line += printable("  " + key + "=" + text(value));
  if (session.out().width > 0 && !session.wide() && !session.out().colour) line = clipped(line, session.out().width);
  return line + "\n";
}

void show_event(Session& session, const Json& event) {
  switch (session.globals().format) {
    case Format::json: session.print(event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"); break;
    case Format::yaml:
      session.print("---\n");
      session.show_document(event);
      break;
    case Format::name: session.print(ref_of(event) + "\n"); break;
    default: session.print(line_of(session, event));
  }
  std::fflush(stdout);
}

// A document from the stream; null for what is not an event (a reset, a keep-alive).
Json event_of(Session& session, const client::ServerEvent& sent) {
  if (sent.type == "reset") {
    session.note("(older events are no longer kept)");
    return nullptr;
  }
  Json event = Json::parse(sent.data, nullptr, false);
  if (!event.is_object()) return nullptr;
  if (!event.contains("id") && !sent.id.empty()) event["id"] = sent.id;
  return event;
}

std::int64_t number_of(const Json& id) {
  if (id.is_number_integer()) return id.get<std::int64_t>();
  return id.is_string() ? integer_of("id", id.get<std::string>()) : 0;
}

bool wanted(const EventOptions& options, const Json& event) {
  return (!options.kind || text(event, "/kind") == *options.kind) && (!options.name || text(event, "/name") == *options.name) &&
         (!options.type || text(event, "/type") == *options.type);
}

// The stream never ends, so the end is the event that was the last when we asked; filters are ours for that reason.
int list(Session& session, const EventOptions& options) {
  const std::int64_t last = number_of(at(session.get("/v1/operations?limit=1"), "/seq"));
  std::int64_t since = options.since ? integer_of("--since", *options.since) : 0;
  Json found{{"items", Json::array()}};
  // Twice at most: an answer of "those are gone" says which is the oldest that is kept.
  for (int turn = 0; turn < 2 && since < last; ++turn) {
    const std::int64_t before = since;
    client::EventStreamParser parser([&](const client::ServerEvent& sent) {
      const Json event = Json::parse(sent.data, nullptr, false);
      if (sent.type == "reset") {
        since = number_of(at(event, "/oldest")) - 1;
        return false;
      }
      if (event.is_object() && wanted(options, event)) found["items"].push_back(event);
      return number_of(at(event, "/id")) < last;
    });
    session.stream(target_of({}, std::to_string(since)), "text/event-stream", [&](std::string_view bytes) { return parser.feed(bytes); });
    if (since == before || since < 0) break;
  }
  session.show_list(found,
                    {{"ID", [](const Json& e) { return Cell(text(e, "/id")); }, 0, 10, true},
                     {"AT", [](const Json& e) { return Cell(moment(at(e, "/at"))); }, 0, 5},
                     {"TYPE", [](const Json& e) { return Cell(text(e, "/type"), style_of(text(e, "/type"))); }},
                     {"OBJECT", [](const Json& e) { return Cell(ref_of(e)); }},
                     {"DATA", [](const Json& e) { return Cell(text(e, "/data")); }, 12, 3}},
                    "No events yet. Watch for them with: sovirtctl events");
  return 0;
}

}  // namespace

void make_event_watch(Command& command) {
  auto options = std::make_shared<EventOptions>();
  add_options(command, *options);
  command.about("Prints each change as it happens, until Ctrl-C. With -o json one document on each line.");
  command.example("sovirtctl events --kind container");
  command.runs([options](Session& session) {
    client::EventStreamParser parser([&](const client::ServerEvent& sent) {
      const Json event = event_of(session, sent);
      if (!event.is_null()) show_event(session, event);
      return true;
    });
    session.stream(target_of(*options, options->since.value_or("")), "text/event-stream", [&](std::string_view bytes) { return parser.feed(bytes); });
    return 0;
  });
}

void add_event(Command& root) {
  Command& event = root.command("event", "what happened on this host");
  auto options = std::make_shared<EventOptions>();
  Command& ls = event.command("ls", "list the events that are kept").alias("list").example("sovirtctl event ls --name sodebian");
  add_options(ls, *options);
  ls.runs([options](Session& session) { return list(session, *options); });
  make_event_watch(event.command("watch", "print events as they happen"));
}

}  // namespace sovirt::ctl
