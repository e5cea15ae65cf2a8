#pragma once
#include <string>
#include <string_view>

namespace sovirt {

// The state of a container's processes as files, by way of CRIU.
class Checkpoints {
 public:
  virtual ~Checkpoints() = default;
  // Throws Error{unsupported} with CRIU's own reason where this host cannot do it, which is found out each time.
  virtual void checkpoint(std::string_view container) = 0;
};

}  // namespace sovirt
