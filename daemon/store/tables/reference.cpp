#include <nlohmann/json.hpp>

#include "daemon/store/tables/tables.hpp"

namespace sovirt::tables {

void put_references(Database& database, const std::string& uid, const std::vector<std::string>& targets) {
  database.statement("DELETE FROM reference WHERE uid = ?").with(uid).run();
  for (const auto& target : targets) {
    if (!find_resource(database, target))
      throw Error{Code::conflict, "something this depends on was deleted meanwhile (" + target + ")"};
    database.statement("INSERT OR IGNORE INTO reference (uid, target) VALUES (?,?)").with(uid, target).run();
  }
}

void check_unused(Database& database, std::string_view uid) {
  auto query = database.statement("SELECT r.kind, r.name FROM reference f JOIN resource r ON r.uid = f.uid WHERE f.target = ? AND f.uid <> f.target ORDER BY r.kind, r.name");
  query.with(uid);
  std::vector<std::string> users;
  std::string names;
  while (query.next()) {
    users.push_back(query.text(0) + "/" + query.text(1));
    names += (names.empty() ? "" : ", ") + users.back();
  }
  if (users.empty()) return;
  const auto target = find_resource(database, uid);
  throw Error{Code::in_use, (target ? target->ref : std::string{uid}) + " is used by " + names}.with_conflicts(std::move(users));
}

}  // namespace sovirt::tables
