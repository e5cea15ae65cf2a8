#include "daemon/store/sqlite_store.hpp"

#include <atomic>
#include <functional>
#include <mutex>

#include <nlohmann/json.hpp>

#include "daemon/base/failpoint.hpp"
#include "daemon/store/schema.hpp"
#include "daemon/store/tables/tables.hpp"

namespace sovirt {
namespace {

using Sync = Database::Sync;

class SqliteStore final : public Store {
 public:
  SqliteStore(std::string path, OpenedDatabase opened)
      : path_(std::move(path)), database_(std::move(opened.database)), damage_(std::move(opened.damage)), healthy_(damage_.empty()) {}

  StoredState load() override;
  std::int64_t begin(const JournalRow&) override;
  std::vector<std::int64_t> commit(std::optional<std::int64_t> journal, const Commit&) override;
  void abandon(std::int64_t journal) override;
  void put_operation(const OperationRow&) override;
  void expire(Time before) override;
  std::vector<Event> events(std::int64_t after, std::size_t most) override;
  std::int64_t oldest_event() override;
  void audit(const AuditRow&) override;
  std::vector<AuditRow> audit_rows(std::size_t most) override;
  std::vector<HistoryRow> history(std::string_view uid) override;
  std::optional<std::string> meta(std::string_view key) override;
  void set_meta(std::string_view key, std::string_view value) override;
  bool healthy() override { return healthy_; }

 private:
  template <class Work>
  auto write(Sync, Work&& work);
  template <class Work>
  auto read(Work&& work) -> decltype(work());
  void scan(const char* sql, const std::function<void(Statement&)>& row);
  void close_abandoned();
  void note_damage(const Error&);
  [[noreturn]] void refuse() const;

  const std::string path_;
  std::mutex mutex_;
  std::unique_ptr<Database> database_;   // null: nothing of the file can be read
  std::string damage_;
  std::atomic<bool> healthy_;
  std::vector<std::int64_t> abandoned_;  // closed by their owner, but the disk was too full to write that down
};

void SqliteStore::refuse() const {
  throw Error{Code::unavailable, "the database " + path_ + " is damaged: " + damage_}.with_hint(
      "containers keep running and nothing is deleted; stop sovirtd, keep a copy of the file, and put back a backup or what "
      "\"sqlite3 " + path_ + " .recover\" saves");
}

void SqliteStore::note_damage(const Error& error) {
  if (!database_->damaged() || !healthy_) return;
  damage_ = error.detail();
  healthy_ = false;
}

template <class Work>
auto SqliteStore::write(Sync sync, Work&& work) {
  const std::scoped_lock lock{mutex_};
  if (!healthy_) refuse();
  try {
    database_->sync_with(sync);
    Transaction transaction{*database_};
    close_abandoned();
    auto result = work(*database_);
    transaction.commit();
    abandoned_.clear();
    return result;
  } catch (const Error& error) {
    note_damage(error);
    if (!healthy_) refuse();
    throw;
  }
}

template <class Work>
auto SqliteStore::read(Work&& work) -> decltype(work()) {
  const std::scoped_lock lock{mutex_};
  if (!database_) refuse();
  try {
    return work();
  } catch (const Error& error) {
    note_damage(error);
    throw;
  }
}

// Entries that are closed but still in the file would be undone after a crash. They go with whatever is written next, so nothing
// later can ever be committed while they are there.
void SqliteStore::close_abandoned() {
  for (const auto id : abandoned_) tables::close_journal(*database_, id);
}

// All rows that can be read; the first that cannot ends it.
void SqliteStore::scan(const char* sql, const std::function<void(Statement&)>& row) {
  try {
    auto statement = database_->statement(sql);
    while (statement.next()) row(statement);
  } catch (const Error& error) {
    if (error.code() == Code::unavailable) database_->mark_damaged();
    note_damage(error);
    if (healthy_) throw;
  } catch (const Json::exception& error) {  // JSON, but not of the shape that was written
    database_->mark_damaged();
    note_damage(Error{Code::unavailable, error.what()});
  }
}

StoredState SqliteStore::load() {
  const std::scoped_lock lock{mutex_};
  StoredState state;
  state.readable = database_ != nullptr;
  if (!database_) return state;
  scan(tables::all_resources, [&](Statement& row) { state.resources.push_back(tables::read_resource(row)); });
  scan(tables::all_runtimes, [&](Statement& row) { state.runtimes.push_back(tables::read_runtime(row)); });
  scan(tables::all_operations, [&](Statement& row) { state.operations.push_back(tables::read_operation(row)); });
  scan(tables::all_journal, [&](Statement& row) { state.journal.push_back(tables::read_journal(row)); });
  scan(tables::all_references, [&](Statement& row) {
    const auto uid = row.text(0);
    if (state.references.empty() || state.references.back().first != uid) state.references.push_back({uid, {}});
    state.references.back().second.push_back(row.text(1));
  });
  scan(tables::last_event, [&](Statement& row) { state.last_event = row.integer(0); });
  return state;
}

std::int64_t SqliteStore::begin(const JournalRow& row) {
  return write(Sync::normal, [&](Database& database) { return tables::put_journal(database, row); });
}

void put_object(Database& database, const Commit& commit) {
  const auto& resource = *commit.put;
  auto found = tables::find_resource(database, resource.uid);
  if (!found) found = tables::find_resource(database, resource.kind, resource.name);
  tables::check_revision(found, object_ref(resource.kind, resource.name), commit.expected_revision);
  tables::put_resource(database, resource);
  tables::put_claims(database, resource.uid, commit.claims);
  tables::put_references(database, resource.uid, commit.references);
  tables::put_history(database, resource, commit.actor);
}

void remove_object(Database& database, const Commit& commit) {
  if (!commit.put) tables::check_revision(tables::find_resource(database, *commit.remove_uid), *commit.remove_uid, commit.expected_revision);
  tables::remove_resource(database, *commit.remove_uid);
}

std::vector<std::int64_t> apply(Database& database, std::optional<std::int64_t> journal, const Commit& commit) {
  if (journal && !tables::close_journal(database, *journal))
    throw Error{Code::internal, "the journal has no entry " + std::to_string(*journal) + " to commit"};
  if (commit.remove_uid) remove_object(database, commit);  // first: what is put may take its name and addresses
  if (commit.put) put_object(database, commit);
  for (const auto& [uid, facts] : commit.facts) tables::put_facts(database, uid, facts);
  if (commit.runtime) tables::put_runtime(database, *commit.runtime);
  std::vector<std::int64_t> ids;
  for (const auto& event : commit.events) ids.push_back(tables::put_event(database, event));
  tables::audit_commit(database, commit);
  failpoint::reach("store.commit.inside");
  return ids;
}

std::vector<std::int64_t> SqliteStore::commit(std::optional<std::int64_t> journal, const Commit& commit) {
  auto ids = write(Sync::full, [&](Database& database) { return apply(database, journal, commit); });
  const std::scoped_lock lock{mutex_};
  database_->checkpoint_if_due();
  return ids;
}

void SqliteStore::abandon(std::int64_t journal) {
  try {
    write(Sync::normal, [&](Database& database) { return tables::close_journal(database, journal); });
  } catch (const Error& error) {
    if (error.code() != Code::disk_full) throw;
    const std::scoped_lock lock{mutex_};
    abandoned_.push_back(journal);
  }
}

void SqliteStore::put_operation(const OperationRow& row) {
  // Progress may be lost with the host's power, an end that somebody was told may not.
  write(row.state == "running" ? Sync::normal : Sync::full, [&](Database& database) { return tables::put_operation(database, row), 0; });
}

void SqliteStore::expire(Time before) {
  write(Sync::normal, [&](Database& database) { return tables::expire(database, before), 0; });
  const std::scoped_lock lock{mutex_};
  database_->checkpoint_if_due();
}

std::vector<Event> SqliteStore::events(std::int64_t after, std::size_t most) {
  return read([&] { return tables::events(*database_, after, most); });
}

std::int64_t SqliteStore::oldest_event() {
  return read([&] { return tables::oldest_event(*database_); });
}

void SqliteStore::audit(const AuditRow& row) {
  write(Sync::normal, [&](Database& database) { return tables::put_audit(database, row), 0; });
  const std::scoped_lock lock{mutex_};
  database_->checkpoint_if_due();
}

std::vector<AuditRow> SqliteStore::audit_rows(std::size_t most) {
  return read([&] { return tables::audit_rows(*database_, most); });
}

std::vector<HistoryRow> SqliteStore::history(std::string_view uid) {
  return read([&] { return tables::history(*database_, uid); });
}

std::optional<std::string> SqliteStore::meta(std::string_view key) {
  return read([&] { return tables::meta(*database_, key); });
}

void SqliteStore::set_meta(std::string_view key, std::string_view value) {
  write(Sync::full, [&](Database& database) { return tables::put_meta(database, key, value), 0; });
}

}  // namespace

std::unique_ptr<Store> open_store(const StoreOptions& options) {
  auto opened = open_database(options.path, built_in_migrations());
  if (options.most_pages > 0 && opened.damage.empty())
    opened.database->run(("PRAGMA max_page_count=" + std::to_string(options.most_pages)).c_str());
  return std::make_unique<SqliteStore>(options.path, std::move(opened));
}

}  // namespace sovirt
