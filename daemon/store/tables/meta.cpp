#include "daemon/store/tables/tables.hpp"

namespace sovirt::tables {

std::optional<std::string> meta(Database& database, std::string_view key) {
  auto query = database.statement("SELECT value FROM meta WHERE key = ?");
  if (!query.with(key).next()) return std::nullopt;
  return query.text(0);
}

void put_meta(Database& database, std::string_view key, std::string_view value) {
  database.statement("INSERT OR REPLACE INTO meta (key, value) VALUES (?,?)").with(key, value).run();
}

}  // namespace sovirt::tables
