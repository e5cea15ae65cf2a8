#include <nlohmann/json.hpp>

#include "daemon/store/tables/tables.hpp"

namespace sovirt::tables {

void put_operation(Database& database, const OperationRow& row) {
  database
      .statement("INSERT OR REPLACE INTO operation (id, kind, object, state, percent, message, actor_uid, actor_pid, request_id, error, result, "
                 "created_at, updated_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)")
      .with(row.id, row.kind, row.object, row.state, row.percent, row.message, row.actor.uid, row.actor.pid, row.actor.request_id,
            json_text(row.error), json_text(row.result), row.created_at, row.updated_at)
      .run();
}

OperationRow read_operation(Statement& row) {
  return {row.text(0), row.text(1), row.text(2), row.text(3), static_cast<int>(row.integer(4)), row.text(5),
          {static_cast<std::uint32_t>(row.integer(6)), row.integer(7), row.text(8)}, row.json(9), row.json(10), row.time(11), row.time(12)};
}

void expire(Database& database, Time before) {
  database.statement("DELETE FROM operation WHERE state <> 'running' AND updated_at < ?").with(before).run();
  database.statement("DELETE FROM event WHERE at < ?").with(before).run();
  database.statement("DELETE FROM audit WHERE at < ?").with(before).run();
}

}  // namespace sovirt::tables
