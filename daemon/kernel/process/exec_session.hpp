#pragma once
#include <string>

#include "daemon/domain/ports/launcher.hpp"

namespace sovirt::process {

// One exec over a connection to a monitor. The bytes go through pipes between the process and us, never through the
// monitor. process_json: `process` of the OCI runtime specification.
ExecResult run_exec(unique_fd connection, const std::string& process_json, const ExecRequest&, std::size_t limit);

}  // namespace sovirt::process
