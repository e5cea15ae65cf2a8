#pragma once
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/log.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/lifecycle.hpp"
#include "daemon/domain/reconciler.hpp"

namespace sovirt {

// After a boot: kinds in their order, bridges for instance, then the containers that are to run, lower boot_priority first, those of one
// priority at the same time. What cannot be made waits for what it lacks and is tried again when that appears.
// Thread-safe.
class Restore {
 public:
  Restore(Catalog& catalog, const Kinds& kinds, Reconciler& reconciler, Lifecycle& lifecycle, Store& store, Log& log,
          const Places& places)
      : catalog_(catalog), kinds_(kinds), reconciler_(reconciler), lifecycle_(lifecycle), store_(store), log_(log), places_(places) {}
  ~Restore() { stop(); }

  // In a thread of its own. Not a new boot: the objects are looked at, the report of the boot stays.
  void start(bool new_boot);
  void stop();
  // What the orderly stop recorded as running, and what starts always: those that do not run are started.
  void start_containers();
  Json report() const;
  bool finished() const;
  void ready(const std::string& uid);  // starts what waited for it

 private:
  struct Item {
    Kind kind{};
    std::string name;
    std::string result = "pending";   // pending | restored | unchanged | skipped | waiting | failed
    std::string reason;
    std::vector<std::string> waited_for;
    std::int64_t duration_ns = 0;
  };
  void run(bool new_boot);
  void load_saved();
  void restore_objects(const KindRules&);
  void restore_containers();
  void start_group(const std::vector<EntryPtr>& group);
  void start_one(const EntryPtr&);
  std::vector<std::string> missing_objects(const Entry&) const;
  void record(const Resource&, Item);
  void save();
  static bool wanted(const Entry&);

  Catalog& catalog_;
  const Kinds& kinds_;
  Reconciler& reconciler_;
  Lifecycle& lifecycle_;
  Store& store_;
  Log& log_;
  const Places& places_;
  mutable std::mutex mutex_;
  std::map<std::string, Item> items_;   // by uid
  std::set<std::string> waiting_;       // uids of containers
  std::set<std::string> broken_;
  std::string boot_id_;
  Time started_at_{}, finished_at_{};
  bool finished_ = false;
  bool stopping_ = false;
  std::condition_variable stop_;  // stopping_ or finished_
  std::thread thread_;
};

}  // namespace sovirt
