#include <algorithm>

#include <nlohmann/json.hpp>

#include "daemon/store/tables/tables.hpp"

namespace sovirt::tables {
namespace {

std::optional<Holder> holder_of(Database& database, const Claim& claim) {
  auto query = database.statement("SELECT r.uid, r.kind, r.name FROM claim c JOIN resource r ON r.uid = c.uid WHERE c.type = ? AND c.value = ?");
  if (!query.with(claim.type, claim.value).next()) return std::nullopt;
  return Holder{query.text(0), query.text(1) + "/" + query.text(2), std::nullopt};
}

}  // namespace

void put_claims(Database& database, const std::string& uid, const std::vector<Claim>& claims) {
  database.statement("DELETE FROM claim WHERE uid = ?").with(uid).run();
  std::vector<std::string> holders;
  std::string detail;
  for (const auto& claim : claims) {
    const auto holder = holder_of(database, claim);
    if (!holder) {
      database.statement("INSERT INTO claim (type, value, uid) VALUES (?,?,?)").with(claim.type, claim.value, uid).run();
    } else if (holder->uid != uid) {
      detail += (detail.empty() ? "" : "; ") + ("the " + claim.type + " " + claim.value + " is held by " + holder->ref);
      if (std::find(holders.begin(), holders.end(), holder->ref) == holders.end()) holders.push_back(holder->ref);
    }
  }
  if (!holders.empty()) throw Error{Code::duplicate, detail}.with_conflicts(std::move(holders));
}

}  // namespace sovirt::tables
