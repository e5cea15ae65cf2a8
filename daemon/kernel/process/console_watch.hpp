#pragma once
#include "daemon/domain/ports/terminals.hpp"

namespace sovirt::process {

// Over a connection to a monitor. Throws Error{conflict}.
std::unique_ptr<ConsoleWatch> watch_console(unique_fd connection);

// What comes from inside a container as its terminal may be any file that is put there. Throws Error{conflict}.
void check_terminal(int fd);

}  // namespace sovirt::process
