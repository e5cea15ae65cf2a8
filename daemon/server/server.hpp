#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {

class Log;
class Service;
class WorkerPool;

// A socket to listen on: a path to make it at, or one that systemd has made.
struct Listen {
  std::string path;          // absolute, at most 107 bytes; only for the log when fd is given
  unique_fd fd;              // listening already, empty to make one
  bool read_only = false;    // answers GET only, and to everybody
  mode_t mode = 0660;        // without `group` on this host, and run by another group than root, 0600
  std::string group;         // owner group of the socket file; "": the daemon's own
};

struct ServerLimits {
  std::size_t header_bytes = 16 * 1024;
  std::size_t body_bytes = 1 << 20;       // of a JSON body; uploads have no limit but the disk
  std::size_t connections = 1024;
  std::chrono::milliseconds header_time{10'000};     // from its first byte to its last
  std::chrono::milliseconds body_idle{60'000};       // between two reads
  std::chrono::milliseconds write_idle{60'000};      // without the client taking a byte
  std::chrono::milliseconds keep_alive{300'000};
  std::chrono::milliseconds linger{2'000};           // for what a refused client still sends
  std::chrono::milliseconds heartbeat{20'000};       // comment lines of event streams
  std::chrono::milliseconds ping{30'000};            // of WebSockets; four of them read but not answered end it
  std::chrono::milliseconds stop_grace{700};         // for requests at work when stop() comes
};

struct ServerOptions {
  std::vector<Listen> listen;
  ServerLimits limits;
  std::string group = "sovirt";   // its members may do everything, as may root and the daemon's own user
  std::string version;
  // Called on the event loop every `tick`, for the watchdog of systemd: proof that the loop turns. 0: never.
  std::chrono::milliseconds tick{0};
  std::function<void()> on_tick;
};

// HTTP/1.1 over Unix sockets. One thread, that of run(), for all sockets and timers; what blocks goes to the pool.
// Service, pool and log must outlive the server and every job it has posted: stop the pool before the service goes.
class Server {
 public:
  // Listens from here on. Throws Error{conflict} when another daemon listens there, Error{invalid} for a path too long.
  Server(ServerOptions, Service&, WorkerPool&, Log&);
  ~Server();   // removes the socket files it made
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void run();             // returns after stop(), once running requests are answered or stop_grace is over
  void stop() noexcept;   // from any thread, and from a signal handler: one write(2)

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sovirt
