#include <nlohmann/json.hpp>

#include "daemon/store/tables/tables.hpp"

namespace sovirt::tables {

std::int64_t put_event(Database& database, const Event& event) {
  database.statement("INSERT INTO event (at, type, kind, name, uid, data, request_id) VALUES (?,?,?,?,?,?,?)")
      .with(event.at, event.type, event.kind, event.name, event.uid, json_text(event.data), event.request_id)
      .run();
  return database.last_id();
}

std::vector<Event> events(Database& database, std::int64_t after, std::size_t most) {
  auto row = database.statement("SELECT id, at, type, kind, name, uid, data, request_id FROM event WHERE id > ? ORDER BY id LIMIT ?");
  row.with(after, static_cast<std::int64_t>(most));
  std::vector<Event> rows;
  while (row.next())
    rows.push_back({row.integer(0), row.time(1), row.text(2), row.text(3), row.text(4), row.text(5), row.json(6), row.text(7)});
  return rows;
}

std::int64_t oldest_event(Database& database) { return database.number("SELECT min(id) FROM event").value_or(0); }

}  // namespace sovirt::tables
