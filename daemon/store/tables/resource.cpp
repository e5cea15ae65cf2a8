#include <nlohmann/json.hpp>

#include "daemon/store/tables/tables.hpp"

namespace sovirt::tables {
namespace {

std::optional<Holder> holder_of(Statement& query) {
  if (!query.next()) return std::nullopt;
  return Holder{query.text(0), query.text(1) + "/" + query.text(2), query.integer(3)};
}

}  // namespace

std::optional<Holder> find_resource(Database& database, std::string_view uid) {
  auto query = database.statement("SELECT uid, kind, name, revision FROM resource WHERE uid = ?");
  return holder_of(query.with(uid));
}

std::optional<Holder> find_resource(Database& database, Kind kind, std::string_view name) {
  auto query = database.statement("SELECT uid, kind, name, revision FROM resource WHERE kind = ? AND name = ?");
  return holder_of(query.with(kind_text(kind), name));
}

void check_revision(const std::optional<Holder>& found, const std::string& wanted_ref, std::optional<std::int64_t> expected) {
  if (!expected) return;
  if (*expected == 0 && found) throw Error{Code::exists, found->ref + " exists already"}.with_conflicts({found->ref});
  if (*expected != 0 && !found)
    throw Error{Code::precondition_failed, wanted_ref + " is gone, revision " + std::to_string(*expected) + " was expected"};
  if (*expected != 0 && found->revision != *expected)
    throw Error{Code::precondition_failed, found->ref + " is at revision " + std::to_string(*found->revision) + ", not " + std::to_string(*expected)}
        .with_hint("read it again and repeat the change on what is there now");
}

void put_resource(Database& database, const Resource& resource) {
  const auto namesake = find_resource(database, resource.kind, resource.name);
  if (namesake && namesake->uid != resource.uid)
    throw Error{Code::exists, namesake->ref + " exists already"}.with_conflicts({namesake->ref});
  database
      .statement("INSERT INTO resource (uid, kind, name, revision, labels, spec, facts, created_at, updated_at) VALUES (?,?,?,?,?,?,?,?,?) "
                 "ON CONFLICT (uid) DO UPDATE SET name = excluded.name, revision = excluded.revision, labels = excluded.labels, "
                 "spec = excluded.spec, facts = excluded.facts, updated_at = excluded.updated_at")
      .with(resource.uid, kind_text(resource.kind), resource.name, resource.revision, json_text(resource.labels), json_text(resource.spec),
            json_text(resource.facts), resource.created_at, resource.updated_at)
      .run();
}

void put_facts(Database& database, std::string_view uid, const Json& facts) {
  database.statement("UPDATE resource SET facts = ? WHERE uid = ?").with(json_text(facts), uid).run();
  if (database.changes() == 0) throw Error{Code::internal, "no object has uid " + std::string{uid}};
}

bool remove_resource(Database& database, std::string_view uid) {
  check_unused(database, uid);
  database.statement("DELETE FROM resource WHERE uid = ?").with(uid).run();
  return database.changes() > 0;
}

Resource read_resource(Statement& row) {
  Resource resource;
  resource.uid = row.text(0);
  if (!kind_from_text(row.text(1), resource.kind))
    throw Error{Code::unavailable, "the database has an object of the kind \"" + row.text(1) + "\", which this version does not know"};
  resource.name = row.text(2);
  resource.revision = row.integer(3);
  resource.labels = row.json(4).get<Labels>();
  resource.spec = row.json(5);
  resource.facts = row.json(6);
  resource.created_at = row.time(7);
  resource.updated_at = row.time(8);
  return resource;
}

void put_history(Database& database, const Resource& resource, const Actor& actor) {
  // What sovirt itself learns of an object (its facts) changes no revision: the latest text of one is what counts.
  database
      .statement("INSERT INTO history (uid, revision, at, actor_uid, actor_pid, request_id, spec, labels) VALUES (?,?,?,?,?,?,?,?) "
                 "ON CONFLICT (uid, revision) DO UPDATE SET spec = excluded.spec, labels = excluded.labels")
      .with(resource.uid, resource.revision, resource.updated_at, actor.uid, actor.pid, actor.request_id, json_text(resource.spec),
            json_text(resource.labels))
      .run();
}

std::vector<HistoryRow> history(Database& database, std::string_view uid) {
  auto row = database.statement("SELECT revision, at, actor_uid, actor_pid, request_id, spec, labels FROM history WHERE uid = ? ORDER BY revision");
  row.with(uid);
  std::vector<HistoryRow> rows;
  while (row.next())
    rows.push_back({row.integer(0), row.time(1), {static_cast<std::uint32_t>(row.integer(2)), row.integer(3), row.text(4)}, row.json(5),
                    row.json(6).get<Labels>()});
  return rows;
}

}  // namespace sovirt::tables
