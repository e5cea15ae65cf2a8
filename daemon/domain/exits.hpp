#pragma once
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/domain/ports/launcher.hpp"

namespace sovirt {

// Ends of containers as the launcher reports them, for those who wait for one. Thread-safe.
class Exits {
 public:
  void arrived(std::string_view uid, const ExitStatus&);
  std::optional<ExitStatus> wait(std::string_view uid, std::chrono::milliseconds);
  void forget(std::string_view uid);   // before a start: an end of the run before must not be taken for its

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::string, ExitStatus, std::less<>> ends_;
};

}  // namespace sovirt
