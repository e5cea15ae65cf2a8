#include "daemon/store/tables/tables.hpp"

namespace sovirt::tables {

namespace {

void insert(Database& database, const AuditRow& row) {
  database.statement("INSERT INTO audit (at, actor_uid, actor_pid, request_id, action, object, status, code) VALUES (?,?,?,?,?,?,?,?)")
      .with(row.at, row.actor.uid, row.actor.pid, row.actor.request_id, row.actor.action, row.object, row.status, row.code)
      .run();
}

}  // namespace

void put_audit(Database& database, const AuditRow& row) {
  if (!row.actor.request_id.empty()) {
    auto update = database.statement("UPDATE audit SET status = ?, code = ? WHERE request_id = ? AND action = ? AND status = 0");
    update.with(row.status, row.code, row.actor.request_id, row.actor.action).run();
    if (database.changes() > 0) return;
  }
  insert(database, row);
}

void audit_commit(Database& database, const Commit& commit) {
  if (commit.actor.action.empty() || commit.events.empty()) return;
  const Event& event = commit.events.front();
  insert(database, {event.at, commit.actor, event.kind + "/" + event.name, 0, ""});
}

std::vector<AuditRow> audit_rows(Database& database, std::size_t most) {
  auto row = database.statement("SELECT at, actor_uid, actor_pid, request_id, action, object, status, code FROM audit ORDER BY id DESC LIMIT ?");
  row.with(static_cast<std::int64_t>(most));
  std::vector<AuditRow> rows;
  while (row.next())
    rows.push_back({row.time(0), {static_cast<std::uint32_t>(row.integer(1)), row.integer(2), row.text(3), row.text(4)}, row.text(5),
                    static_cast<int>(row.integer(6)), row.text(7)});
  return rows;
}

}  // namespace sovirt::tables
