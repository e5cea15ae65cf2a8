#pragma once
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/base/log.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/plan.hpp"
#include "daemon/domain/ports/store.hpp"

namespace sovirt {

// How an action's step is done and undone. Both must bear repetition, and undo must bear a step that was
// never, or only half, applied.
struct Action {
  std::function<void(const Json& args, Scratch&)> apply;
  std::function<void(const Json& args, Scratch&)> undo;
};
using ActionTable = std::map<std::string, Action, std::less<>>;

// One change of one object: a plan and what is true once it has run.
struct Job {
  std::string object;     // "container/web"
  std::string uid;
  Plan plan;
  Scratch scratch;
  Commit commit;
};

// Functions called after each commit, from the thread that committed; they only wake somebody up. Thread-safe.
class Listeners {
 public:
  std::shared_ptr<void> add(std::function<void()>);
  void call() const;

 private:
  struct State {
    std::mutex mutex;
    std::list<std::function<void()>> functions;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// The only thing that changes the kernel and the database. The caller holds the object's lock. Thread-safe.
class Executor {
 public:
  Executor(Store& store, Catalog& catalog, Log& log, Listeners& listeners)
      : store_(store), catalog_(catalog), log_(log), listeners_(listeners) {}
  void add_actions(ActionTable actions) { actions_.merge(std::move(actions)); }

  // Writes the intent, runs the steps, commits. On an error of a plan that can be undone everything is undone
  // and the error thrown; a plan that tears down stops there, uncommitted, and can be run again.
  void run(Job&);
  // The journal entry of a run that a crash cut off: completes or undoes it.
  void resolve(const JournalRow&);
  // Only the database: for changes without a kernel side, and for events.
  void commit(Commit);

 private:
  const Action& action(const Step&) const;
  void apply_step(const Step&, Scratch&, const Job&);
  void run_forward(Job&);
  void run_or_undo(Job&);
  void undo(const Plan&, std::size_t steps, Scratch&, const std::string& object) noexcept;
  static void absorb(Commit&, const Scratch&);
  void commit_and_publish(std::optional<std::int64_t> journal, Commit&);

  Store& store_;
  Catalog& catalog_;
  Log& log_;
  Listeners& listeners_;
  ActionTable actions_;
  std::mutex commit_mutex_;  // events reach the catalog in the order of their ids
};

}  // namespace sovirt
