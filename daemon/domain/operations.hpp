#pragma once
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "daemon/base/log.hpp"
#include "daemon/domain/ports/image_builder.hpp"
#include "daemon/domain/ports/store.hpp"

namespace sovirt {

Json write_operation(const OperationRow&);

// Work that outlives its request: each in a thread of its own, durable from its begin, cancellable. Thread-safe.
class Operations {
 public:
  // Given a token and a progress sink, does the work and returns the result; throws Error when it fails.
  using Work = std::function<Json(std::stop_token, const std::function<void(Progress)>&)>;

  Operations(Store& store, Log& log) : store_(store), log_(log) {}
  ~Operations() { stop(); }
  void stop();    // cancels and joins all: before anything they work on goes

  void load(const std::vector<OperationRow>&);  // those still running belong to a daemon that died: interrupted
  std::string start(const std::string& kind, const std::string& object, const Actor&, Work);
  OperationRow get(std::string_view id) const;   // throws Error{not_found}
  std::vector<OperationRow> all() const;         // newest first
  OperationRow cancel(std::string_view id);      // of a finished one: nothing happens
  std::shared_ptr<void> on_end(std::string_view id, std::function<void()>);
  // The running operation of an object, "" if there is none.
  std::string running_on(std::string_view object) const;
  void forget(Time before);

 private:
  struct Operation {
    OperationRow row;
    std::list<std::function<void()>> listeners;
    std::jthread thread;
  };
  void run(const std::shared_ptr<Operation>&, std::stop_token, const Work&);
  void progress(Operation&, const Progress&);
  void end(const std::shared_ptr<Operation>&, std::string state, Json error, Json result);
  std::shared_ptr<Operation> find(std::string_view id) const;

  Store& store_;
  Log& log_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Operation>, std::less<>> operations_;
};

}  // namespace sovirt
