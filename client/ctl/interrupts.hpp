#pragma once
#include <csignal>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::ctl {

// While it lives, Ctrl-C and SIGTERM make fd() readable instead of ending the program. Within the life of others of
// the kind both hear it, and the outer ones still do when the inner ones have ended.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  int fd() const noexcept { return fd_.get(); }

 private:
  sigset_t before_{};
  unique_fd fd_;
};

}  // namespace sovirt::ctl
