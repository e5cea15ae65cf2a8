#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/domain/ports/store.hpp"
#include "daemon/store/database.hpp"

// A group of functions per table. All writes are within the caller's transaction; all reads give whole rows in the order
// that the port says. What a row is allowed to be is decided here, with errors that name objects, not columns.
namespace sovirt::tables {

struct Holder {
  std::string uid;
  std::string ref;                     // "container/web"
  std::optional<std::int64_t> revision;
};

// resource, history
std::optional<Holder> find_resource(Database&, std::string_view uid);
std::optional<Holder> find_resource(Database&, Kind, std::string_view name);
void check_revision(const std::optional<Holder>& found, const std::string& wanted_ref, std::optional<std::int64_t> expected);
void put_resource(Database&, const Resource&);             // Error{exists}: another object has its name
void put_facts(Database&, std::string_view uid, const Json& facts);
bool remove_resource(Database&, std::string_view uid);     // false: was absent. Takes all that hangs on it along
Resource read_resource(Statement&);
constexpr const char* all_resources =
    "SELECT uid, kind, name, revision, labels, spec, facts, created_at, updated_at FROM resource ORDER BY kind, name";
void put_history(Database&, const Resource&, const Actor&);
std::vector<HistoryRow> history(Database&, std::string_view uid);

// claim
void put_claims(Database&, const std::string& uid, const std::vector<Claim>&);  // Error{duplicate} with the holders

// reference
void put_references(Database&, const std::string& uid, const std::vector<std::string>& targets);
void check_unused(Database&, std::string_view uid);        // Error{in_use} with all that refer to it
constexpr const char* all_references = "SELECT uid, target FROM reference ORDER BY uid, target";

// runtime
void put_runtime(Database&, const RuntimeRow&);
RuntimeRow read_runtime(Statement&);
constexpr const char* all_runtimes =
    "SELECT uid, desired, state, boot_id, init_pid, init_ticks, monitor_pid, monitor_ticks, started_at, exit_at, exit_code, "
    "exit_signal, failure, ran_at_shutdown FROM runtime ORDER BY uid";

// event
std::int64_t put_event(Database&, const Event&);
std::vector<Event> events(Database&, std::int64_t after, std::size_t most);
std::int64_t oldest_event(Database&);
// The last id that was ever given, expired or not.
constexpr const char* last_event = "SELECT seq FROM sqlite_sequence WHERE name = 'event'";

// audit
void put_audit(Database&, const AuditRow&);       // or completes the row of its request's commit
void audit_commit(Database&, const Commit&);
std::vector<AuditRow> audit_rows(Database&, std::size_t most);  // newest first

// operation
void put_operation(Database&, const OperationRow&);
OperationRow read_operation(Statement&);
constexpr const char* all_operations =
    "SELECT id, kind, object, state, percent, message, actor_uid, actor_pid, request_id, error, result, created_at, updated_at "
    "FROM operation ORDER BY created_at, id";

// journal
std::int64_t put_journal(Database&, const JournalRow&);
bool close_journal(Database&, std::int64_t id);            // false: there is no such entry
JournalRow read_journal(Statement&);
constexpr const char* all_journal = "SELECT id, object, uid, steps, outcome, forward FROM journal ORDER BY id";

// meta
std::optional<std::string> meta(Database&, std::string_view key);
void put_meta(Database&, std::string_view key, std::string_view value);

void expire(Database&, Time before);                       // of event, audit and operation

}  // namespace sovirt::tables
