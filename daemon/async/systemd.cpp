#include "daemon/async/systemd.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>

#include "daemon/base/error.hpp"

namespace sovirt::systemd {
namespace {

// sd_listen_fds_with_names gives an array of malloc'ed strings in malloc'ed memory.
class Names {
 public:
  Names() = default;
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;
  ~Names() {
    if (list == nullptr) return;
    for (char** name = list; *name != nullptr; ++name) std::free(*name);
    std::free(static_cast<void*>(list));
  }
  char** list = nullptr;
};

void send(std::string text) { sd_notify(0, text.c_str()); }  // its failure is systemd's loss, not ours

}  // namespace

std::vector<InheritedSocket> inherited_sockets() {
  Names names;
  const int count = sd_listen_fds_with_names(1, &names.list);
  if (count < 0) throw errno_error(-count, "sd_listen_fds_with_names", "socket activation");
  std::vector<InheritedSocket> sockets;
  for (int i = 0; i < count; ++i) {
    unique_fd fd{SD_LISTEN_FDS_START + i};
    if (sd_is_socket(fd.get(), AF_UNIX, SOCK_STREAM, 1) <= 0)
      throw Error{Code::conflict, "inherited descriptor " + std::to_string(fd.get()) + " is not a listening Unix stream socket"};
    if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) < 0 || ::fcntl(fd.get(), F_SETFL, O_NONBLOCK) < 0)
      throw errno_error("fcntl", "inherited socket");
    sockets.push_back({std::move(fd), names.list != nullptr ? names.list[i] : ""});
  }
  return sockets;
}

void notify_ready(std::string_view status) { send("READY=1\nSTATUS=" + std::string{status}); }
void notify_status(std::string_view status) { send("STATUS=" + std::string{status}); }
void notify_stopping() { send("STOPPING=1"); }
void notify_watchdog() { send("WATCHDOG=1"); }

std::optional<std::chrono::milliseconds> watchdog_interval() {
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  return std::chrono::milliseconds{microseconds / 2000};
}

}  // namespace sovirt::systemd
