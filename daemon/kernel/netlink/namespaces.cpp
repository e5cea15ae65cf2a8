#include "daemon/kernel/netlink/namespaces.hpp"

#include <fcntl.h>
#include <linux/if.h>
#include <sched.h>

#include <cerrno>
#include <cstdlib>
#include <string>

namespace sovirt::netlink {
namespace {

unique_fd open_namespace(const char* path) {
  unique_fd fd{::open(path, O_RDONLY | O_CLOEXEC)};
  if (!fd) throw errno_error("open", path);
  return fd;
}

// Brings the thread back to the namespace it is in now.
class Homecoming {
 public:
  Homecoming() : home_(open_namespace("/proc/thread-self/ns/net")) {}
  Homecoming(const Homecoming&) = delete;
  Homecoming& operator=(const Homecoming&) = delete;
  ~Homecoming() {
    if (::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
  }

 private:
  unique_fd home_;
};

void set_loopback_up(Socket& socket) {
  Batch batch;
  ifinfomsg head{};
  head.ifi_flags = IFF_UP;
  head.ifi_change = IFF_UP;
  batch.begin(RTM_NEWLINK, 0, head);
  batch.put_text(IFLA_IFNAME, "lo");
  expect(socket.transact(batch).front(), "RTM_NEWLINK", "lo");
}

}  // namespace

Socket socket_in(int netns, int protocol) {
  const Homecoming homecoming;
  if (::setns(netns, CLONE_NEWNET) != 0) throw errno_error("setns", "network namespace");
  return Socket{protocol};
}

void run_in(int netns, const std::function<void()>& work) {
  const Homecoming homecoming;
  if (::setns(netns, CLONE_NEWNET) != 0) throw errno_error("setns", "network namespace");
  work();
}

unique_fd new_netns() {
  const Homecoming homecoming;
  if (::unshare(CLONE_NEWNET) != 0) throw errno_error("unshare", "CLONE_NEWNET");
  Socket socket;
  set_loopback_up(socket);
  return open_namespace("/proc/thread-self/ns/net");
}

unique_fd netns_of(pid_t process) {
  const std::string path = "/proc/" + std::to_string(process) + "/ns/net";
  unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (fd) return fd;
  const int number = errno;
  // A zombie still has its directory, but no namespaces: ENOENT as well.
  if (number == ENOENT || number == ESRCH)
    throw Error{Code::not_found, "process " + std::to_string(process) + " is not running"}.with_errno(number, "open");
  throw errno_error(number, "open", path);
}

}  // namespace sovirt::netlink
