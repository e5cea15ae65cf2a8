#pragma once
#include <optional>
#include <string_view>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/launcher.hpp"
#include "daemon/kernel/process/run_directory.hpp"
#include "daemon/launcher/protocol.hpp"

namespace sovirt::process {

// Long enough for a monitor on a machine that swaps; a monitor that does not answer counts as gone.
inline constexpr int monitor_timeout_ms = 10'000;

unique_fd connect_monitor(const RunDirectory&, std::string_view uid);   // empty: nobody listens there
// What it runs. nullopt: it is gone, or its container has ended.
std::optional<Launched> ask_status(const RunDirectory&, std::string_view uid);

Launched from_wire(const launch::Processes&);
ExitStatus from_wire(const launch::Ended&);
// "<what>: execve /bin/nosuch: No such file or directory"
Error from_wire(const launch::Failure&, Code, const std::string& what);
// Of an exec: invalid where what was asked for is wrong, conflict where the container's state is.
Error exec_error(const launch::Failure&, const std::string& command);

}  // namespace sovirt::process
