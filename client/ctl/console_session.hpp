#pragma once
#include <string>

namespace sovirt::ctl {

class Session;

struct ConsoleRun {
  std::string container;
  bool scrollback = true, watches_only = false, takes_keyboard = false;
};

// Sits at a container's console until Ctrl-A Q or the container's end; a daemon that is restarted is waited for.
int run_console(Session&, const ConsoleRun&);

}  // namespace sovirt::ctl
