#pragma once
#include <string>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {

// Held for as long as a daemon uses a state directory, so that two never share one. It is an flock(2) on DIR/lock and ends with
// the process, however that ends; the file stays. Throws Error{conflict} that names the holder's pid.
class StateLock {
 public:
  explicit StateLock(const std::string& directory);

 private:
  unique_fd file_;
};

}  // namespace sovirt
