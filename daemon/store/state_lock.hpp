#pragma once
#include <string>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {

// Held for as long as a daemon uses a state directory, so that two never share one. It is an flock(2) on DIR/lock and ends with
// the process, however that ends; the file stays. Waits a second for a holder that is ending, then throws Error{conflict} that
// names its pid.
class StateLock {
 public:
  explicit StateLock(const std::string& directory);

 private:
  unique_fd file_;
};

}  // namespace sovirt
