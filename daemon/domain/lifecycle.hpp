#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/domain/catalog.hpp"
#include "daemon/domain/containers.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/keyed_locks.hpp"
#include "daemon/domain/plan.hpp"
#include "daemon/domain/restarts.hpp"
#include "daemon/domain/service.hpp"

namespace sovirt {

// From one state of a container to another: for the API, the boot and the end of a process alike. Thread-safe.
class Lifecycle {
 public:
  Lifecycle(Catalog& catalog, Executor& executor, KeyedLocks& locks, Containers& containers, Restarts& restarts,
            const KernelPorts& kernel, const Places& places)
      : catalog_(catalog), executor_(executor), locks_(locks), containers_(containers), restarts_(restarts), kernel_(kernel), places_(places) {}

  // The plan that was run, or would be run when ctx.dry_run. Already there: an empty plan.
  Plan set_state(std::string_view name, const StateRequest&, const ChangeContext&);
  Plan restart(std::string_view name, std::optional<std::chrono::seconds> timeout, const ChangeContext&);
  // For the orderly stop of the host: stopped, and remembered as one that ran.
  void stop_for_shutdown(const std::string& name, const Actor&);
  // Its init has ended: takes down what is left and records the status. Nothing if somebody did it before.
  void collect_ended(std::string_view uid, const std::optional<ExitStatus>&, const Actor&);
  // Those whose policy was to start them again when the daemon ended.
  void resume_restarts(const Actor&);
  // The turn of one that waits to be started again.
  void start_again(const std::string& uid, const Aftermath&, const Actor&);
  // A start that failed at boot: the reason stays with the container.
  void record_failure(std::string_view uid, const Error&, const Actor&);

 private:
  Plan start(const EntryPtr&, const ChangeContext&, Json why = Json::object());
  void call_off_restart(const EntryPtr&, const ChangeContext&);
  Aftermath aftermath(const Entry&, const std::optional<ExitStatus>&);
  Plan stop(const EntryPtr&, const StateRequest&, const ChangeContext&, bool for_shutdown);
  Plan freeze(const EntryPtr&, bool frozen, const ChangeContext&);
  Plan run(const EntryPtr&, Plan, RuntimeRow, Event, const ChangeContext&);
  EntryPtr locked_entry(std::string_view name, const ChangeContext&) const;

  Catalog& catalog_;
  Executor& executor_;
  KeyedLocks& locks_;
  Containers& containers_;
  Restarts& restarts_;
  KernelPorts kernel_;
  const Places& places_;
};

Event make_event(std::string type, const Resource&, Json data, const Actor&);

}  // namespace sovirt
