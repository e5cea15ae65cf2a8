#include "daemon/store/database.hpp"

#include <cerrno>
#include <fcntl.h>

#include <nlohmann/json.hpp>
#include <sqlite3.h>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {
namespace {

constexpr int busy_milliseconds = 2000;   // nobody but a backup or a curious administrator should ever hold it
constexpr int checkpoint_pages = 1000;

Code code_for(int result, int system_errno) noexcept {
  switch (result & 0xff) {
    case SQLITE_FULL: return Code::disk_full;
    case SQLITE_IOERR: return system_errno == ENOSPC || system_errno == EDQUOT ? Code::disk_full : Code::unavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: return Code::unavailable;
    default: return Code::internal;
  }
}

// SQLite would create the file with mode 0644; its -wal and -shm take over what the file has.
void create_private(const std::string& path) {
  if (path == ":memory:") return;
  const unique_fd file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) throw errno_error("open", path);
}

std::string uri_of(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%') uri += "%25";
    else if (c == '?') uri += "%3f";
    else if (c == '#') uri += "%23";
    else uri += c;
  }
  return uri + "?immutable=1";
}

}  // namespace

Statement::~Statement() {
  if (!prepared_) return;
  ::sqlite3_reset(prepared_);
  ::sqlite3_clear_bindings(prepared_);
}

void Statement::bind(std::int64_t value) {
  if (const int result = ::sqlite3_bind_int64(prepared_, ++bound_, value); result != SQLITE_OK) database_->fail(result, "bind");
}

void Statement::bind(std::string_view value) {
  const int result = ::sqlite3_bind_text64(prepared_, ++bound_, value.data() ? value.data() : "", value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (result != SQLITE_OK) database_->fail(result, "bind");
}

void Statement::bind_null() {
  if (const int result = ::sqlite3_bind_null(prepared_, ++bound_); result != SQLITE_OK) database_->fail(result, "bind");
}

bool Statement::next() {
  const int result = ::sqlite3_step(prepared_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) database_->fail(result, ::sqlite3_sql(prepared_));
  return false;
}

bool Statement::is_null(int column) const { return ::sqlite3_column_type(prepared_, column) == SQLITE_NULL; }
std::int64_t Statement::integer(int column) const { return ::sqlite3_column_int64(prepared_, column); }

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(::sqlite3_column_text(prepared_, column));
  return bytes ? std::string(bytes, static_cast<std::size_t>(::sqlite3_column_bytes(prepared_, column))) : std::string{};
}

std::optional<Time> Statement::optional_time(int column) const {
  return is_null(column) ? std::nullopt : std::optional{time(column)};
}

std::optional<int> Statement::optional_integer(int column) const {
  return is_null(column) ? std::nullopt : std::optional{static_cast<int>(integer(column))};
}

Json Statement::json(int column) const {
  auto value = Json::parse(text(column), nullptr, false);
  if (value.is_discarded()) database_->fail(SQLITE_CORRUPT, "a stored document is not JSON");
  return value;
}

Database::Database(const std::string& path, Mode mode) : path_(path) {
  if (mode == Mode::read_write) create_private(path);
  const bool immutable = mode == Mode::immutable;
  const int flags = (mode == Mode::read_write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX | (immutable ? SQLITE_OPEN_URI : 0);
  sqlite3* handle = nullptr;
  const int result = ::sqlite3_open_v2(immutable ? uri_of(path).c_str() : path.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);  // to be closed after a failure too
  if (result != SQLITE_OK) fail(result, "open");
  ::sqlite3_extended_result_codes(handle, 1);
  ::sqlite3_busy_timeout(handle, busy_milliseconds);
  // Checkpoints are ours: one within the journal's write would add an fsync to it.
  ::sqlite3_wal_hook(handle, [](void* pages, sqlite3*, const char*, int count) {
    *static_cast<int*>(pages) = count;
    return SQLITE_OK;
  }, &wal_pages_);
}

Database::~Database() = default;
void Database::Close::operator()(sqlite3* handle) const noexcept { ::sqlite3_close_v2(handle); }
void Database::Finalize::operator()(sqlite3_stmt* statement) const noexcept { ::sqlite3_finalize(statement); }

void Database::fail(int result, const char* doing) {
  const int basic = result & 0xff;
  const int number = handle_ ? ::sqlite3_system_errno(handle_.get()) : 0;
  if (basic == SQLITE_CORRUPT || basic == SQLITE_NOTADB) damaged_ = true;
  // Only these carry an errno of theirs; otherwise it is one of an earlier call.
  const bool from_system = basic == SQLITE_IOERR || basic == SQLITE_CANTOPEN || basic == SQLITE_FULL;
  const char* what = handle_ && ::sqlite3_extended_errcode(handle_.get()) == result ? ::sqlite3_errmsg(handle_.get()) : ::sqlite3_errstr(result);
  auto error = Error{code_for(result, number), path_ + ": " + what + " (" + doing + ")"};
  if (basic == SQLITE_BUSY || basic == SQLITE_LOCKED) error.with_hint("another process has the database open and locked; end it and try again");
  if (from_system && number != 0) throw std::move(error).with_errno(number, "sqlite");
  throw error;
}

void Database::run(const char* sql) {
  if (const int result = ::sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr); result != SQLITE_OK) fail(result, sql);
}

Statement Database::statement(const char* sql) {
  auto found = statements_.find(std::string_view{sql});
  if (found == statements_.end()) {
    sqlite3_stmt* prepared = nullptr;
    const int result = ::sqlite3_prepare_v3(handle_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
    if (result != SQLITE_OK) fail(result, sql);
    found = statements_.emplace(sql, std::unique_ptr<sqlite3_stmt, Finalize>{prepared}).first;
  }
  return Statement{found->second.get(), *this};
}

std::optional<std::int64_t> Database::number(const char* sql) {
  auto query = statement(sql);
  if (!query.next() || query.is_null(0)) return std::nullopt;
  return query.integer(0);
}

std::int64_t Database::last_id() const noexcept { return ::sqlite3_last_insert_rowid(handle_.get()); }
std::int64_t Database::changes() const noexcept { return ::sqlite3_changes64(handle_.get()); }
bool Database::in_transaction() const noexcept { return ::sqlite3_get_autocommit(handle_.get()) == 0; }

void Database::sync_with(Sync sync) {
  if (sync_ == sync) return;
  // Takes effect when it is prepared and only outside a transaction, hence no kept statement.
  run(sync == Sync::full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  sync_ = sync;
}

void Database::checkpoint_if_due() {
  if (wal_pages_ < checkpoint_pages) return;
  wal_pages_ = 0;
  // Passive: a reader of another process delays it to the next time. Its failure loses nothing, so it fails nobody.
  const int result = ::sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if ((result & 0xff) == SQLITE_CORRUPT || (result & 0xff) == SQLITE_NOTADB) damaged_ = true;
}

void Database::copy_to(Database& target) {
  sqlite3_backup* backup = ::sqlite3_backup_init(target.handle_.get(), "main", handle_.get(), "main");
  if (!backup) target.fail(::sqlite3_errcode(target.handle_.get()), "backup");
  const int stepped = ::sqlite3_backup_step(backup, -1);
  const int finished = ::sqlite3_backup_finish(backup);
  if (finished != SQLITE_OK) target.fail(finished, "backup");
  if (stepped != SQLITE_DONE) target.fail(stepped, "backup");
}

std::string Database::quick_check() {
  std::string findings;
  try {
    auto query = statement("PRAGMA quick_check(10)");
    while (query.next())
      if (const auto line = query.text(0); line != "ok") findings += (findings.empty() ? "" : "; ") + line;
  } catch (const Error& error) {
    if (!damaged_) throw;
    findings += (findings.empty() ? "" : "; ") + error.detail();
  }
  if (!findings.empty()) damaged_ = true;
  return findings;
}

Transaction::~Transaction() {
  // After a full disk or an I/O error SQLite may have rolled back by itself already.
  if (!database_->in_transaction()) return;
  try {
    database_->statement("ROLLBACK").run();
  } catch (const Error&) {
    // The journal file is discarded at the next open: nothing that was not committed is ever read.
  }
}

std::string json_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace sovirt
