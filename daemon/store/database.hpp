#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/json.hpp"
#include "api/timestamp.hpp"
#include "daemon/base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace sovirt {

class Database;

// One use of a prepared statement: bound, stepped, read, and reset when it goes. Text that a column gives is copied.
class Statement {
 public:
  Statement(sqlite3_stmt* prepared, Database& database) noexcept : prepared_(prepared), database_(&database) {}
  Statement(Statement&& other) noexcept : prepared_(std::exchange(other.prepared_, nullptr)), database_(other.database_), bound_(other.bound_) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // The parameters from the first on, in order.
  template <class... Values>
  Statement& with(const Values&... values) {
    (bind(values), ...);
    return *this;
  }
  void run() {
    while (next()) {}
  }
  bool next();  // to the next row; false: there is none

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::string text(int column) const;
  Time time(int column) const { return Time{std::chrono::microseconds{integer(column)}}; }
  std::optional<Time> optional_time(int column) const;
  std::optional<int> optional_integer(int column) const;
  // Throws Error{unavailable} and marks the database as damaged if it is not JSON.
  Json json(int column) const;

 private:
  void bind(std::int64_t);
  void bind(int value) { bind(std::int64_t{value}); }
  void bind(std::uint32_t value) { bind(std::int64_t{value}); }
  void bind(bool value) { bind(std::int64_t{value ? 1 : 0}); }
  void bind(std::string_view);
  void bind(const std::string& value) { bind(std::string_view{value}); }
  void bind(const char* value) { bind(std::string_view{value}); }
  void bind(Time value) { bind(std::int64_t{value.time_since_epoch().count()}); }
  template <class Value>
  void bind(const std::optional<Value>& value) {
    if (value) bind(*value);
    else bind_null();
  }
  void bind_null();

  sqlite3_stmt* prepared_;
  Database* database_;
  int bound_ = 0;
};

// A connection to an SQLite database with its prepared statements. Not thread-safe. Throws Error: disk_full, unavailable for
// what is damaged, locked or not writable, internal for the rest.
class Database {
 public:
  enum class Mode {
    immutable,   // to look only: no lock, no file beside it is made; the file must not have a -wal
    read_only,
    read_write,  // created with mode 0600 if it is absent
  };
  enum class Sync { normal, full };  // full: durable when commit returns; normal: with the next full one

  Database(const std::string& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void run(const char* sql);                                    // any number of statements, no parameters
  Statement statement(const char* sql);                         // prepared once, then kept
  std::optional<std::int64_t> number(const char* sql);          // first column of the first row
  std::int64_t last_id() const noexcept;
  std::int64_t changes() const noexcept;                        // rows of the last statement
  void sync_with(Sync);                                         // of transactions that begin from now on
  void checkpoint_if_due();                                     // after commits only; may fsync
  void copy_to(Database& target);                               // a consistent copy of all of it
  std::string quick_check();                                    // "" if it is sound, else the first findings
  bool in_transaction() const noexcept;

  // True from the first sign of damage on, and for good.
  bool damaged() const noexcept { return damaged_; }
  void mark_damaged() noexcept { damaged_ = true; }
  [[noreturn]] void fail(int result, const char* doing);

 private:
  struct Close {
    void operator()(sqlite3*) const noexcept;
  };
  struct Finalize {
    void operator()(sqlite3_stmt*) const noexcept;
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>, std::less<>> statements_;
  std::optional<Sync> sync_;
  int wal_pages_ = 0;
  bool damaged_ = false;
};

// Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(&database) { database.statement("BEGIN IMMEDIATE").run(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit() { database_->statement("COMMIT").run(); }

 private:
  Database* database_;
};

std::string json_text(const Json&);  // as it is stored; bytes that are not UTF-8 become U+FFFD

}  // namespace sovirt
