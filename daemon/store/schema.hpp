#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemon/store/database.hpp"

namespace sovirt {

struct Migration {
  int version;           // that the database has afterwards: 1, 2, 3 …
  std::string_view sql;
};

std::span<const Migration> built_in_migrations() noexcept;

constexpr std::int64_t store_application_id = 0x736f7669;  // "sovi", PRAGMA application_id

struct OpenedDatabase {
  std::unique_ptr<Database> database;  // read-only, if damaged; null, if nothing of it can be read
  std::string damage;                  // "" if it is sound
};

// Opens or creates the database and brings it to the newest schema, in one transaction after a backup
// (PATH.backup-<version>) that was checked. A file of another application or of a newer schema is refused with
// Error{conflict} and not a byte of it changed. A damaged one is opened for reading, and left as it is.
OpenedDatabase open_database(const std::string& path, std::span<const Migration>);

}  // namespace sovirt
