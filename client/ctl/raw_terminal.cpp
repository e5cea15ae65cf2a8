#include "client/ctl/raw_terminal.hpp"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "daemon/base/error.hpp"

namespace sovirt::ctl {

namespace {

// A handler of signals and atexit have no other way to it.
termios before;
volatile sig_atomic_t raw_terminal = -1;

void restore() noexcept {
  if (raw_terminal >= 0) ::tcsetattr(raw_terminal, TCSADRAIN, &before);
  raw_terminal = -1;
}

void on_fatal(int signal) {
  restore();
  ::raise(signal);   // by its default, which SA_RESETHAND has brought back
}

void catch_fatal() {
  struct sigaction action{};
  action.sa_handler = on_fatal;
  action.sa_flags = SA_RESETHAND | SA_NODEFER;
  for (const int signal : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGPIPE, SIGQUIT, SIGALRM}) ::sigaction(signal, &action, nullptr);
}

}  // namespace

std::optional<Extent> extent_of(int terminal) {
  winsize size{};
  if (::ioctl(terminal, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return std::nullopt;
  return Extent{size.ws_row, size.ws_col};
}

RawTerminal::RawTerminal(int terminal) : terminal_(terminal) {
  if (::tcgetattr(terminal, &before) != 0) throw errno_error("tcgetattr", "the terminal");
  static const int registered = std::atexit([] { restore(); });
  static_cast<void>(registered);
  catch_fatal();
  raw_ = before;
  ::cfmakeraw(&raw_);
  raw_terminal = terminal;
  again();
}

RawTerminal::~RawTerminal() { restore(); }

void RawTerminal::again() noexcept { ::tcsetattr(terminal_, TCSADRAIN, &raw_); }

}  // namespace sovirt::ctl
