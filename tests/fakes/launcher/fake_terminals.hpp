#pragma once
#include <mutex>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/terminals.hpp"

namespace sovirt {

// Processes that give back what they are fed, over real descriptors, and end with status 0 when that is closed, or by
// the signal they are sent. Thread-safe.
class FakeTerminals final : public Terminals {
 public:
  std::unique_ptr<ExecSession> open_exec(std::string_view uid, const SessionRequest&) override;
  std::unique_ptr<ConsoleWatch> watch_console(std::string_view uid) override;   // there is none: Error{conflict}

  void fail(Error);                          // the next one
  std::vector<SessionRequest> opened() const;
  void resized(WindowSize);
  std::vector<WindowSize> sizes() const;

 private:
  mutable std::mutex mutex_;
  std::vector<SessionRequest> opened_;
  std::vector<WindowSize> sizes_;
  std::optional<Error> failure_;
};

}  // namespace sovirt
