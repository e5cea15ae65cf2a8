#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.hpp"
#include "api/resource.hpp"
#include "api/timestamp.hpp"
#include "daemon/domain/ports/launcher.hpp"

namespace sovirt {

// Who asked. uid/pid from SO_PEERCRED; the daemon itself (repair, restore) is uid 0 with its own pid.
struct Actor {
  std::uint32_t uid = 0;
  std::int64_t pid = 0;
  std::string request_id;
  std::string action{};              // "PUT /v1/bridges/brso1"; "": nobody asked, no audit row
};

// A value only one object of the host may hold. Types: "mac", "address", "subnet", "ifname".
// `subnet` uniqueness is by exact value here; the domain refuses overlaps before.
struct Claim {
  std::string type;
  std::string value;
};

// What the daemon must know of a container beside its spec.
struct RuntimeRow {
  std::string uid;
  std::string desired = "stopped";   // running | stopped | frozen: what was last asked
  std::string state = "created";     // created | running | frozen | stopped | failed
  std::string boot_id;               // of the boot in which the processes below lived
  ProcessId init, monitor;
  std::optional<Time> started_at;
  std::optional<ExitStatus> exit;
  std::string failure;               // why `failed`
  bool ran_at_shutdown = false;      // recorded by the host's orderly stop

  bool alive() const { return state == "running" || state == "frozen"; }  // has processes
};

struct Event {
  std::int64_t id = 0;               // given by the store; durable, increasing
  Time at{};
  std::string type;                  // "created","updated","deleted","started","stopped","exited","drifted","repaired","failed",…
  std::string kind;                  // "container"
  std::string name;
  std::string uid;
  Json data;
  std::string request_id;
};

struct AuditRow {
  Time at{};
  Actor actor;
  std::string object;                // "bridge/brso1"
  int status = 0;                    // HTTP status answered; 0: committed, and then no answer was given any more
  std::string code;                  // problem code, "" for success
};

// Everything one change commits, in one transaction, with the audit row of its actor. Pure data, so that the journal can hold it.
struct Commit {
  std::optional<Resource> put;                 // inserted or replaced; its revision is the new one
  std::optional<std::int64_t> expected_revision;  // of what is replaced; 0: must not exist. Otherwise precondition_failed/exists
  std::vector<Claim> claims;                   // with put: all the object holds now, replacing what it held
  std::vector<std::string> references;         // with put: uids it depends on, replacing
  std::map<std::string, Json> facts;           // uid -> facts of other objects that change with it; no revision of theirs
  std::optional<std::string> remove_uid;
  std::optional<RuntimeRow> runtime;
  std::vector<Event> events;
  Actor actor;
};
Json write_commit(const Commit&);
Commit read_commit(const Json&);

struct JournalRow {
  std::int64_t id = 0;
  std::string object;      // "container/web"
  std::string uid;
  Json steps;              // write_plan()
  Json commit;             // write_commit(), what to commit if it is completed after a crash
  bool forward = false;    // after a crash: true completes it, false undoes it
};

struct OperationRow {
  std::string id;
  std::string kind;        // "image.build"
  std::string object;      // "image/debian"
  std::string state;       // running | done | failed | cancelled | interrupted
  int percent = 0;
  std::string message;
  Actor actor;
  Json error;              // problem or null
  Json result;             // or null
  Time created_at{}, updated_at{};
};

struct HistoryRow {
  std::int64_t revision = 0;
  Time at{};
  Actor actor;
  Json spec;
  Labels labels;
};

// Loaded once at start; afterwards the domain keeps its own copy and reads never touch the database.
struct StoredState {
  std::vector<Resource> resources;
  std::vector<RuntimeRow> runtimes;
  std::vector<OperationRow> operations;
  std::vector<JournalRow> journal;                   // open entries, oldest first
  std::vector<std::pair<std::string, std::vector<std::string>>> references;  // uid -> uids it depends on
  std::int64_t last_event = 0;
  bool readable = true;                              // false: so damaged that nothing of it can be read
};

// Durable state. Thread-safe (one connection behind a mutex, no kernel call inside a transaction). Throws Error:
// duplicate/in_use with conflicts_with, precondition_failed, exists, disk_full, unavailable when damaged or read-only.
class Store {
 public:
  virtual ~Store() = default;
  virtual StoredState load() = 0;

  // Written before the first kernel change. Survives the death of the process at once, that of the host only
  // with the next commit (which is enough: the kernel's objects do not survive that either).
  virtual std::int64_t begin(const JournalRow&) = 0;
  // Closes the journal entry and commits, durable on return. Gives the ids of the events, in order.
  virtual std::vector<std::int64_t> commit(std::optional<std::int64_t> journal, const Commit&) = 0;
  virtual void abandon(std::int64_t journal) = 0;    // rolled back: closes the entry, nothing else

  virtual void put_operation(const OperationRow&) = 0;
  virtual void expire(Time before) = 0;              // finished operations, events, audit rows older than that
  virtual std::vector<Event> events(std::int64_t after, std::size_t most) = 0;
  virtual std::int64_t oldest_event() = 0;           // id of the oldest kept, 0 if none
  // Of an answer. Completes the row that a commit of the same request has written. Need not be durable before the answer.
  virtual void audit(const AuditRow&) = 0;
  virtual std::vector<AuditRow> audit_rows(std::size_t most) = 0;
  virtual std::vector<HistoryRow> history(std::string_view uid) = 0;
  virtual std::optional<std::string> meta(std::string_view key) = 0;
  virtual void set_meta(std::string_view key, std::string_view value) = 0;
  virtual bool healthy() = 0;                        // false: damaged, every write answers unavailable
};

}  // namespace sovirt
