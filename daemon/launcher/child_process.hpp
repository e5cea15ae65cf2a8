#pragma once
#include "daemon/launcher/child_report.hpp"
#include "daemon/launcher/plan.hpp"

namespace sovirt::launch::child {

// The last part, the same for init and for an exec: who the process is, and its program. Does not return.
// stdio: what becomes descriptors 0, 1 and 2; everything else is closed by execve.
[[noreturn]] void execute(const Reporter&, const ProcessPlan&, const int (&stdio)[3], bool controlling_terminal) noexcept;

// Holds mounts and nothing else until it is killed.
[[noreturn]] void hold(Reporter&) noexcept;

}  // namespace sovirt::launch::child
