#include "daemon/kernel/process/monitor_client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sovirt::process {

unique_fd connect_monitor(const RunDirectory& run, std::string_view uid) {
  const unique_fd folder = run.open(uid);
  if (!folder) return {};
  unique_fd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
  if (!socket) throw errno_error("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A run directory's path may be longer than a socket's name can be.
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/monitor.sock", folder.get());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return socket;
  if (errno == ENOENT || errno == ECONNREFUSED) return {};
  throw errno_error("connect", "monitor.sock");
}

std::optional<Launched> ask_status(const RunDirectory& run, std::string_view uid) {
  const unique_fd socket = connect_monitor(run, uid);
  if (!socket || !launch::send_message(socket.get(), launch::Type::status)) return std::nullopt;
  const auto answer = launch::receive_message(socket.get(), monitor_timeout_ms);
  if (!answer || answer->type != launch::Type::launched) return std::nullopt;
  return from_wire(answer->as<launch::Processes>());
}

Launched from_wire(const launch::Processes& processes) {
  return {{processes.init.pid, processes.init.start_ticks}, {processes.monitor.pid, processes.monitor.start_ticks}};
}

ExitStatus from_wire(const launch::Ended& ended) {
  ExitStatus status;
  if (ended.code >= 0) status.code = ended.code;
  if (ended.signal >= 0) status.signal = ended.signal;
  status.at = Time{std::chrono::microseconds{ended.at_us}};
  return status;
}

Error from_wire(const launch::Failure& failure, Code code, const std::string& what) {
  std::string detail = what + ": " + failure.stage;
  if (failure.object[0] != '\0') detail += std::string{" "} + failure.object;
  const char* reason = failure.error ? ::strerrordesc_np(failure.error) : nullptr;
  // What a monitor caught has its reason in the text already.
  if (reason && !detail.ends_with(reason)) detail += std::string{": "} + reason;
  return Error{code, std::move(detail)}.with_errno(failure.error, failure.stage);
}

Error exec_error(const launch::Failure& failure, const std::string& command) {
  const std::string stage = failure.stage;
  const bool asked = stage == "execve" || stage == "chdir" || stage == "config";
  return from_wire(failure, asked ? Code::invalid : Code::conflict, "cannot execute " + command);
}

}  // namespace sovirt::process
