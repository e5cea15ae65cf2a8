#pragma once
#include <sys/types.h>

#include <optional>
#include <vector>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {

// Every fork of this host from the moment it is made, in order, as the kernel's process connector tells it. There is
// none in another network, pid or user namespace than the host's first.
class ForkEvents {
 public:
  struct Fork {
    pid_t parent = 0, child = 0;   // processes, not threads
  };
  static std::optional<ForkEvents> subscribe();

  // Those since the last call. false: some were lost.
  bool read(std::vector<Fork>& into);

 private:
  explicit ForkEvents(unique_fd socket) : socket_(std::move(socket)) {}
  unique_fd socket_;
};

}  // namespace sovirt
