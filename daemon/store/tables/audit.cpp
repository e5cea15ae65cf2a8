#include "daemon/store/tables/tables.hpp"

namespace sovirt::tables {

void put_audit(Database& database, const AuditRow& row) {
  database.statement("INSERT INTO audit (at, actor_uid, actor_pid, request_id, action, object, status, code) VALUES (?,?,?,?,?,?,?,?)")
      .with(row.at, row.actor.uid, row.actor.pid, row.actor.request_id, row.action, row.object, row.status, row.code)
      .run();
}

std::vector<AuditRow> audit_rows(Database& database, std::size_t most) {
  auto row = database.statement("SELECT at, actor_uid, actor_pid, request_id, action, object, status, code FROM audit ORDER BY id DESC LIMIT ?");
  row.with(static_cast<std::int64_t>(most));
  std::vector<AuditRow> rows;
  while (row.next())
    rows.push_back({row.time(0), {static_cast<std::uint32_t>(row.integer(1)), row.integer(2), row.text(3)}, row.text(4), row.text(5),
                    static_cast<int>(row.integer(6)), row.text(7)});
  return rows;
}

}  // namespace sovirt::tables
