#include <nlohmann/json.hpp>

#include "daemon/store/tables/tables.hpp"

namespace sovirt::tables {

std::int64_t put_journal(Database& database, const JournalRow& row) {
  database.statement("INSERT INTO journal (object, uid, steps, outcome, forward) VALUES (?,?,?,?,?)")
      .with(row.object, row.uid, json_text(row.steps), json_text(row.commit), row.forward)
      .run();
  return database.last_id();
}

bool close_journal(Database& database, std::int64_t id) {
  database.statement("DELETE FROM journal WHERE id = ?").with(id).run();
  return database.changes() > 0;
}

JournalRow read_journal(Statement& row) {
  return {row.integer(0), row.text(1), row.text(2), row.json(3), row.json(4), row.integer(5) != 0};
}

}  // namespace sovirt::tables
