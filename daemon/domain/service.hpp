#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/container.hpp"
#include "api/json.hpp"
#include "api/names.hpp"
#include "api/resource.hpp"
#include "daemon/domain/ports/launcher.hpp"
#include "daemon/domain/ports/store.hpp"

namespace sovirt {

class Checkpoints;
class ContainerFiles;
class CgroupCalls;
class NetworkTools;

struct ChangeContext {
  Actor actor;
  std::optional<std::int64_t> if_match;  // revision the caller saw
  bool create_only = false;              // POST: Error{exists} where it is there
  bool if_none_match = false;            // If-None-Match: * of a PUT: Error{precondition_failed} where it is there
  bool dry_run = false;
  std::optional<std::chrono::seconds> confirm_within;  // bridges: undone behind this time unless confirmed
  bool cascade = false;                  // DELETE: the links that end in it go first
};

struct ChangeResult {
  Json body;                             // the resource; the plan when dry_run; null for a plain deletion
  std::int64_t revision = 0;
  bool created = false;
  std::string operation;                 // id, when the work goes on in the background (202)
};

struct ListQuery {
  std::size_t limit = 100;               // 1..1000
  std::string cursor;                    // opaque, from the page before
  std::vector<std::pair<std::string, std::string>> labels;
  std::string name;                      // glob with `*`
  std::string state;
};

struct Page {
  std::vector<Json> items;
  std::optional<std::string> next;
  std::int64_t seq = 0;                  // id of the last event at that moment
};

class ContainerArchives;
class ContainerCopies;

struct EventFilter {
  std::string kind, name, type;          // empty: all
};

class Confirmations;
class ContainerTerminals;   // container_terminals.hpp
class ContainerInside;      // container_inside.hpp

// All that a client can ask of the host: what the server calls. Functions marked [fast] take no lock that a
// writer holds for long, touch no database and at most a few kernel files, so they may run on the event loop;
// every other one blocks and belongs on the pool. Errors are thrown as Error.
class Service {
 public:
  virtual ~Service() = default;

  // Nouns with an interface of their own.
  virtual ContainerTerminals& terminals() = 0;
  virtual ContainerInside& inside() = 0;

  virtual Json get(Kind, std::string_view name) = 0;                                        // [fast]
  virtual Page list(Kind, const ListQuery&) = 0;                                            // [fast]
  virtual ChangeResult put(Kind, std::string_view name, const ResourceBody&, const ChangeContext&) = 0;
  virtual ChangeResult patch(Kind, std::string_view name, const Json& merge_patch, const ChangeContext&) = 0;
  virtual ChangeResult remove(Kind, std::string_view name, const ChangeContext&) = 0;
  virtual Json history(Kind, std::string_view name) = 0;                                    // {"items":[…]}
  virtual ChangeResult revert(Kind, std::string_view name, std::int64_t revision, const ChangeContext&) = 0;

  virtual ChangeResult set_state(std::string_view container, const StateRequest&, const ChangeContext&) = 0;
  virtual ChangeResult restart(std::string_view container, std::optional<std::chrono::seconds> timeout, const ChangeContext&) = 0;
  virtual void kill(std::string_view container, int signal, const ChangeContext&) = 0;
  virtual ExecResult exec(std::string_view container, const ExecRequest&, const ChangeContext&) = 0;
  virtual Launcher::Log log(std::string_view container, std::uint64_t since, std::size_t most) = 0;

  virtual ContainerFiles& files() = 0;
  virtual CgroupCalls& cgroups() = 0;
  virtual Checkpoints& checkpoints() = 0;
  virtual ContainerCopies& copies() = 0;       // container_copies.hpp
  virtual ContainerArchives& archives() = 0;   // container_archives.hpp

  // Path of an empty file that the server fills with the body of PUT /v1/images/{name}/content, then hands over.
  virtual std::string begin_upload(std::string_view image) = 0;
  virtual ChangeResult finish_upload(std::string_view image, const std::string& path, const ChangeContext&) = 0;
  virtual void abandon_upload(const std::string& path) noexcept = 0;
  virtual NetworkTools& network_tools() = 0;

  virtual Json templates() = 0;                                                             // {"items":[…]}

  virtual Json operation(std::string_view id) = 0;                                          // [fast]
  virtual Page operations(const ListQuery&) = 0;                                            // [fast]
  virtual Json cancel(std::string_view id) = 0;                                             // [fast] the operation, still running perhaps
  // Calls once, from any thread, when the operation has ended (at once if it has). Dropping the handle unsubscribes.
  virtual std::shared_ptr<void> on_operation_end(std::string_view id, std::function<void()>) = 0;

  virtual std::vector<Event> events(std::int64_t after, const EventFilter&, std::size_t most) = 0;
  virtual std::int64_t oldest_event() = 0;
  virtual std::int64_t last_event() = 0;                                                    // [fast]
  // Called from any thread after each commit; the listener only wakes somebody up.
  virtual std::shared_ptr<void> on_event(std::function<void()>) = 0;

  virtual Json host() = 0;
  virtual Json restore_report() = 0;                                                        // [fast]
  // Resolves true when restore has ended (nothing pending but what waits for something absent). For `restore wait`.
  virtual bool restore_finished() = 0;                                                      // [fast]
  virtual Json stop_all_containers(const ChangeContext&) = 0;   // orderly host stop: reverse order, records who ran
  // The other way round: starts those that the stop recorded and those that start always, and gives the restore report.
  virtual Json start_all_containers(const ChangeContext&) = 0;
  virtual Confirmations& confirmations() = 0;
  virtual Json health() = 0;                                                                // [fast] {"status":"ok"|"degraded",…}
  virtual void audit(const AuditRow&) = 0;
  virtual std::vector<AuditRow> audit_rows(std::size_t most) = 0;                           // newest first
};

}  // namespace sovirt
