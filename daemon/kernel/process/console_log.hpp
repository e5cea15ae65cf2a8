#pragma once
#include "daemon/domain/ports/launcher.hpp"

namespace sovirt::process {

// See Launcher::console_log. Reads FILE and FILE.1 as the monitor's rotation leaves them, while it goes on.
Launcher::Log read_console_log(const std::string& path, std::uint64_t since, std::size_t most);
// See Launcher::log_offset.
std::uint64_t find_log_offset(const std::string& path, Time since);

}  // namespace sovirt::process
