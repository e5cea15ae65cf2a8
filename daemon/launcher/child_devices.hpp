#pragma once
#include "daemon/launcher/child_report.hpp"
#include "daemon/launcher/child_root.hpp"
#include "daemon/launcher/plan.hpp"

namespace sovirt::launch::child {

// The nodes and links every Linux container has in /dev. Source: OCI config-linux.md "Default Devices".
void make_devices(const Reporter&, const Root&, const std::vector<DevicePlan>& more) noexcept;

// A terminal of the container's own devpts (of the host's for a chroot), its master handed to the monitor.
// Gives the terminal's descriptor; of a container it is at /dev/console.
int make_console(const Reporter&, const ProcessPlan&, bool own_dev) noexcept;

// The same for a process executed later, with no name but that in devpts, and its user as owner.
int make_terminal(const Reporter&, const ProcessPlan&) noexcept;

}  // namespace sovirt::launch::child
