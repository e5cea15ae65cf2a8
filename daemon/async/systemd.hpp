#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::systemd {

// What systemd and the daemon tell each other (sd_notify(3), sd_listen_fds(3)). Without systemd each is a no-op.

struct InheritedSocket {
  unique_fd fd;          // a listening stream socket, close-on-exec, non-blocking
  std::string name;      // FileDescriptorName= of the unit, "rw" or "ro"
};

// The sockets of socket activation. To be called once, before any thread or child: it also removes LISTEN_FDS
// and its relatives from the environment. What is no listening Unix stream socket: Error{conflict}.
std::vector<InheritedSocket> inherited_sockets();

// Sent to $NOTIFY_SOCKET, which containers must not inherit: the launcher's environment is its own anyway.
void notify_ready(std::string_view status);
void notify_status(std::string_view status);
void notify_stopping();
void notify_watchdog();

// How often notify_watchdog() must be called at most: half of WatchdogSec. nullopt: no watchdog.
std::optional<std::chrono::milliseconds> watchdog_interval();

}  // namespace sovirt::systemd
