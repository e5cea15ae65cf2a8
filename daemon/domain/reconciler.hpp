#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "daemon/base/log.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/exits.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/keyed_locks.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/lifecycle.hpp"

namespace sovirt {

// Keeps the kernel at what the database says: hears of changes, looks, and repairs or reports by policy.
// One thread, asleep while nothing happens. Thread-safe.
class Reconciler final : public Notice {
 public:
  struct Parts {
    Catalog& catalog;
    Executor& executor;
    KeyedLocks& locks;
    const Kinds& kinds;
    Lifecycle& lifecycle;
    Exits& exits;
    KernelPorts kernel;
    Log& log;
  };
  explicit Reconciler(Parts parts) : parts_(parts) {}
  ~Reconciler() override { stop(); }

  void start();
  void stop();
  void look_at(const std::string& uid) override;
  void look_at_all(Kind) override;
  // Brings an object to its spec now; what differed is repaired whatever the policy if `enforce`. Throws Error.
  void reconcile(const std::string& uid, bool enforce, const Actor&);
  // Called, from the reconciler's thread, after an object was found or made whole.
  void on_ready(std::function<void(const std::string& uid)> listener) { ready_ = std::move(listener); }

 private:
  using Clock = std::chrono::steady_clock;
  void run();
  void look_quietly(const std::string& uid);
  void look_at_dependents(const std::string& uid);
  void apply_difference(const EntryPtr&, Plan, Policy, bool enforce, const Actor&);
  bool contested(const std::string& uid);

  Parts parts_;
  std::function<void(const std::string&)> ready_;
  std::vector<std::shared_ptr<void>> watches_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, Clock::time_point> due_;
  std::deque<std::pair<std::string, ExitStatus>> ended_;
  std::map<std::string, std::deque<Clock::time_point>> repairs_;  // lately, by uid; only the reconciler's thread
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sovirt
