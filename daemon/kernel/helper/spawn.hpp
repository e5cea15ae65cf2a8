#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

namespace sovirt::helper {

struct Spawn {
  std::vector<std::string> command;   // the first is a path
  int input = -1, output = -1, error_output = -1;
  bool own_session = false;           // for what outlives the daemon
};

// The program with default signals and an environment of PATH and LC_ALL=C; no descriptor of ours but the three.
// Throws Error with the errno of posix_spawn.
pid_t spawn(const Spawn&);

}  // namespace sovirt::helper
