#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "daemon/base/unique_fd.hpp"

// What sovirtd, a monitor, its agent and a child that is being set up say to each other: one SOCK_SEQPACKET
// packet a message, descriptors with it by SCM_RIGHTS. A monitor outlives the daemon that started it, so a newer
// daemon must understand it: layouts never change, new needs get a new Type. A monitor that does not know a request
// closes its connection, by which a newer daemon sees what it must do without.
namespace sovirt::launch {

inline constexpr std::uint8_t protocol_version = 1;

// A message with its header. A Launch with its two paths needs 2 KiB; `output` is faster the more goes at once.
inline constexpr std::size_t header_bytes = 4;
inline constexpr std::size_t most_packet_bytes = 16384;

enum class Type : std::uint8_t {
  // daemon -> monitor, on the socket it was started with
  prepare = 1,   // Prepare; descriptors: cgroup.procs of the monitors' groups, then of the container's
  launch,        // Launch; descriptors: config.json, rootfs, run directory[, v2 directory]
  go,            // descriptor: the network namespace, if it has one
  // monitor -> daemon
  launched,      // Processes
  failed,        // Failure
  exited,        // Ended
  // anybody -> monitor.sock, one request a connection
  status = 20,   // answered by Processes as `launched`
  subscribe,     // answered by `exited` when it is so
  exec,          // descriptors: process.json, stdin, stdout, stderr; answered by `failed` or, at its end, `exited`.
                 // The end of the connection, or of its writing half, kills all that it started
  exec_session,  // as exec, but answered by `started` in between; of a process.json that asks for a terminal there are
                 // no further descriptors, and `terminal` is answered before. On the connection then: signal, keep
  console_watch, // answered by `watching`, then `output` for all that the console shows, and `exited`
  // daemon -> monitor, on the connection of an exec_session
  signal = 30,   // Signal, to the process and its group
  keep,          // descriptors: the pipes that its output can be read from. From now on the end of the connection kills nothing:
                 // what is written then is read and thrown away
  // monitor -> daemon
  terminal = 35, // descriptor: the master of the pty, before it runs
  started,       // execve has succeeded
  watching,      // Watching; descriptor: the master of the console's pty, to be written to only
  output,        // Output and the bytes after it. Where its offset is beyond the end of the one before, some were left
                 // out for a reader too slow: they are in the log
  // anybody -> monitor.sock
  mount = 45,    // MountRequest; descriptor: a detached mount. This and the next two are answered by `done` or `failed`
  unmount,       // MountRequest
  set_hostname,  // HostnameRequest
  done,
  // monitor -> agent
  clone_init = 40,  // descriptors: config.json, rootfs, channel[, v2 directory]
  clone_exec,       // CloneExec; descriptors: process.json, pidfd of init, channel[, stdin, stdout, stderr][, v2 directory]
  leave,            // descriptor: the cgroup.procs to move to
  // agent -> monitor
  cloned = 60,   // Cloned
  // child -> monitor, on its channel
  console = 80,  // descriptor: the pty's master
  executing,     // the next thing is execve; the end of the channel then means that it succeeded
};

struct Prepare { std::uint16_t monitor_groups, container_groups; std::uint8_t needs_attach, spare; };
struct Launch {
  std::uint64_t log_bytes;
  std::uint8_t chroot, has_v2;
  char boot_id[40];
  char run_directory[1024];
  char log_path[1024];      // "": no log is kept
};
struct Process { std::int32_t pid; std::uint32_t reserved; std::uint64_t start_ticks; };
struct Processes { Process init, monitor; };
struct Failure { std::int32_t error; char stage[32]; char object[220]; };
struct Ended { std::int32_t code, signal; std::int64_t at_us; };  // -1: not so
struct CloneExec { std::uint64_t namespaces; std::uint8_t has_v2; };
struct MountRequest {
  std::uint8_t is_folder, is_tmpfs, reserved[6];
  std::uint64_t device, inode;   // of unmount: what a bind mount shows; 0: not known any more
  char target[1024];
};
struct HostnameRequest { char name[72]; };
struct Cloned { std::int32_t pid; std::int32_t reserved; std::uint64_t namespaces; };
struct Signal { std::int32_t number; };
struct Watching { std::uint64_t offset; };   // of the whole log, where `output` begins
struct Output { std::uint64_t offset, logged; };   // so many of its bytes are in the log, from that offset on

struct Received {
  Type type{};
  std::vector<std::byte> body;
  std::vector<unique_fd> fds;

  template <class T> T as() const;  // zero-filled where the message is shorter
};

// false with errno set: not sent. Never raises SIGPIPE. Allocates nothing.
bool send_message(int socket, Type, std::span<const std::byte> body, std::span<const int> fds = {}) noexcept;
template <class T>
bool send_message(int socket, Type type, const T& body, std::span<const int> fds = {}) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  return send_message(socket, type, std::as_bytes(std::span{&body, 1}), fds);
}
inline bool send_message(int socket, Type type) noexcept { return send_message(socket, type, std::span<const std::byte>{}); }

// nullopt: the other side is gone (or sent nonsense, which is the same). Throws Error{timed_out}; timeout_ms -1: none.
std::optional<Received> receive_message(int socket, int timeout_ms);

// What follows the header of a message that was read as bytes; empty where it is of another type.
std::string_view body_of(std::string_view message, Type) noexcept;
// The source by which a tmpfs of a container's spec is told from others.
inline constexpr const char* tmpfs_source = "sovirt-tmpfs";

struct SocketPair { unique_fd one, other; };
SocketPair socket_pair();

template <std::size_t N>
void copy_text(char (&to)[N], std::string_view from) noexcept {
  const std::size_t n = from.size() < N - 1 ? from.size() : N - 1;
  for (std::size_t i = 0; i < n; ++i) to[i] = from[i];
  to[n] = '\0';
}
Failure make_failure(int error, std::string_view stage, std::string_view object) noexcept;

void copy_bytes(void* to, std::size_t size, const std::vector<std::byte>& from) noexcept;
template <class T>
T Received::as() const {
  static_assert(std::is_trivially_copyable_v<T>);
  T value{};
  copy_bytes(&value, sizeof value, body);
  return value;
}

}  // namespace sovirt::launch
