#include "client/ctl/interrupts.hpp"

#include <sys/signalfd.h>

#include "daemon/base/error.hpp"

namespace sovirt::ctl {

Interrupts::Interrupts() {
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGINT);
  sigaddset(&ours, SIGTERM);
  fd_.reset(::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw errno_error("signalfd");
  ::sigprocmask(SIG_BLOCK, &ours, &before_);
}

Interrupts::~Interrupts() {
  if (::sigismember(&before_, SIGINT)) return;   // there are others around these, who have not seen it yet
  // One that was seen must not strike again when the mask is lifted.
  signalfd_siginfo seen{};
  while (::read(fd_.get(), &seen, sizeof seen) > 0) continue;
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace sovirt::ctl
