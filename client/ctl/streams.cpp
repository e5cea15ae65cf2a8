#include "client/ctl/streams.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "daemon/base/error.hpp"

namespace sovirt::ctl {

bool write_all(int fd, std::string_view bytes, int interrupt) {
  while (!bytes.empty()) {
    // Waited for first: a write to a pipe that is full would not let go for a signal that we read.
    std::array<pollfd, 2> polled{{{fd, POLLOUT, 0}, {interrupt, POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) throw errno_error("poll");
    if (polled[1].revents != 0 && polled[0].revents == 0) return false;
    // No more than a pipe takes that says it has room.
    const ssize_t count = ::write(fd, bytes.data(), interrupt >= 0 ? std::min<std::size_t>(bytes.size(), 4096) : bytes.size());
    if (count < 0 && errno == EPIPE) return false;
    if (count < 0 && errno != EINTR && errno != EAGAIN) throw errno_error("write", "standard output");
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

Signals::Signals(std::initializer_list<int> signals) {
  sigset_t ours;
  sigemptyset(&ours);
  for (const int signal : signals) sigaddset(&ours, signal);
  fd_.reset(::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw errno_error("signalfd");
  ::sigprocmask(SIG_BLOCK, &ours, &before_);
}

Signals::~Signals() {
  while (next()) continue;   // one that was seen must not strike again when the mask is lifted
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<int> Signals::next() {
  signalfd_siginfo seen{};
  if (::read(fd_.get(), &seen, sizeof seen) != static_cast<ssize_t>(sizeof seen)) return std::nullopt;
  return static_cast<int>(seen.ssi_signo);
}

}  // namespace sovirt::ctl
