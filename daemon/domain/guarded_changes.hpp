#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "api/json.hpp"
#include "api/timestamp.hpp"
#include "daemon/base/log.hpp"
#include "daemon/domain/ports/store.hpp"

namespace sovirt {

// Changes of bridges that wait for a confirmation: kept in the database, so that the death of the daemon is no
// confirmation either. One thread, asleep until the next deadline. Thread-safe.
class GuardedChanges {
 public:
  // Brings the bridge back to this document, or away where it is null. Throws Error: tried again later.
  using Undo = std::function<void(const std::string& bridge, const Json& before)>;
  GuardedChanges(Store& store, Log& log, Undo undo) : store_(store), log_(log), undo_(std::move(undo)) {}
  ~GuardedChanges() { stop(); }

  void start();   // with what an earlier daemon has left waiting
  void stop();
  // Before the change is run. If one waits already, the state to go back to stays that before the first.
  void arm(const std::string& bridge, const Json& before, std::chrono::seconds within);
  void disarm(const std::string& bridge);      // the change failed, and undid itself
  bool confirm(const std::string& bridge);     // false: nothing waits
  std::optional<Time> deadline(const std::string& bridge) const;

 private:
  struct Waiting {
    Json before;
    Time deadline;
    bool late = false;   // it is being undone: too late to confirm
  };
  void run();
  void undo(std::unique_lock<std::mutex>&, const std::string& bridge);
  void save();    // mutex_ held
  void load();

  Store& store_;
  Log& log_;
  Undo undo_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, Waiting> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sovirt
