#include "daemon/store/schema.hpp"

#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {
namespace {

bool in_memory(const std::string& path) noexcept { return path == ":memory:"; }

bool has_bytes(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && status.st_size > 0;
}

// What is there, read without a chance of changing it.
struct Look {
  std::int64_t application = 0;
  std::int64_t version = 0;
  std::int64_t tables = 0;
  bool ours() const noexcept { return application == store_application_id; }
  // A daemon that died between creating the file and its first migration leaves this.
  bool blank() const noexcept { return application == 0 && version == 0 && tables == 0; }
};

Look look_at(Database& database) {
  return {database.number("PRAGMA application_id").value_or(0), database.number("PRAGMA user_version").value_or(0),
          database.number("SELECT count(*) FROM sqlite_master").value_or(0)};
}

void refuse_foreign(const std::string& path, const Look& look, int newest) {
  if (look.blank()) return;
  if (!look.ours())
    throw Error{Code::conflict, path + " is a database of another program (application id " + std::to_string(look.application) + ")"}
        .with_hint("give sovirtd a state directory of its own with --state-dir");
  if (look.version > newest)
    throw Error{Code::conflict, path + " has schema " + std::to_string(look.version) + " of a newer sovirt; this one knows up to " + std::to_string(newest)}
        .with_hint("install the newer version again, or put back the backup that it made: " + path + ".backup-" + std::to_string(newest));
}

void sync_file(const std::string& path) {
  const unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file || ::fsync(file.get()) != 0) throw errno_error("fsync", path);
}

// A copy that has been read again before anything is changed, under its name only once it is whole.
void back_up(Database& database, const std::string& path, std::int64_t version) {
  const auto final_path = path + ".backup-" + std::to_string(version), partial = final_path + ".partial";
  ::unlink(partial.c_str());
  {
    Database copy{partial, Database::Mode::read_write};
    database.copy_to(copy);
    copy.run("PRAGMA journal_mode=DELETE");
    if (const auto findings = copy.quick_check(); !findings.empty())
      throw Error{Code::unavailable, "the backup " + partial + " is not sound: " + findings};
  }
  sync_file(partial);
  if (::rename(partial.c_str(), final_path.c_str()) != 0) throw errno_error("rename", final_path);
  const auto slash = path.rfind('/');
  sync_file(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

void migrate(Database& database, const std::string& path, std::span<const Migration> migrations) {
  const auto version = database.number("PRAGMA user_version").value_or(0);
  const auto newest = migrations.empty() ? 0 : migrations.back().version;
  if (version >= newest) return;
  if (version > 0 && !in_memory(path)) back_up(database, path, version);
  database.sync_with(Database::Sync::full);
  Transaction transaction{database};
  database.run(("PRAGMA application_id=" + std::to_string(store_application_id)).c_str());
  for (const auto& migration : migrations)
    if (migration.version > version) database.run(std::string{migration.sql}.c_str());
  if (database.number("SELECT count(*) FROM pragma_foreign_key_check").value_or(0) != 0)
    throw Error{Code::internal, path + ": the migration to schema " + std::to_string(newest) + " breaks references; nothing was changed"};
  database.run(("PRAGMA user_version=" + std::to_string(newest)).c_str());
  transaction.commit();
}

void configure(Database& database) {
  {
    auto mode = database.statement("PRAGMA journal_mode=WAL");
    if (!mode.next() || (mode.text(0) != "wal" && mode.text(0) != "memory"))
      throw Error{Code::unavailable, "SQLite's WAL mode does not work in the state directory"}
          .with_hint("put it on a local file system: WAL needs shared memory mapped from a file");
  }
  database.run("PRAGMA foreign_keys=ON;"
               "PRAGMA trusted_schema=OFF;"
               "PRAGMA cell_size_check=ON;"
               "PRAGMA temp_store=MEMORY;"
               "PRAGMA cache_size=-1024");  // 1 MiB: reads are served from the domain's own copy
}

// Looked at and checked by a connection that cannot write: opening for writing would already recover and checkpoint.
// Gives what is damaged, "" for nothing.
std::string examine(const std::string& path, int newest) {
  // Without a -wal the file is all there is, and looking need not even create lock files beside it.
  Database database{path, has_bytes(path + "-wal") ? Database::Mode::read_only : Database::Mode::immutable};
  try {
    refuse_foreign(path, look_at(database), newest);
    return database.quick_check();
  } catch (const Error& error) {
    if (!database.damaged()) throw;
    return error.detail();
  }
}

OpenedDatabase open_damaged(const std::string& path, std::string damage) {
  OpenedDatabase opened;
  opened.damage = std::move(damage);
  try {
    opened.database = std::make_unique<Database>(path, Database::Mode::read_only);
    opened.database->number("SELECT count(*) FROM sqlite_master");
  } catch (const Error&) {
    opened.database.reset();
  }
  return opened;
}

}  // namespace

OpenedDatabase open_database(const std::string& path, std::span<const Migration> migrations) {
  const int newest = migrations.empty() ? 0 : migrations.back().version;
  if (!in_memory(path) && has_bytes(path))
    if (auto damage = examine(path, newest); !damage.empty()) return open_damaged(path, std::move(damage));
  OpenedDatabase opened;
  opened.database = std::make_unique<Database>(path, Database::Mode::read_write);
  configure(*opened.database);
  migrate(*opened.database, path, migrations);
  return opened;
}

}  // namespace sovirt
