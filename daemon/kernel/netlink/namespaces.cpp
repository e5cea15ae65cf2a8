#include "daemon/kernel/netlink/namespaces.hpp"

#include <fcntl.h>
#include <linux/if.h>
#include <sched.h>

#include <cerrno>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

namespace sovirt::netlink {
namespace {

// Runs `work` in a thread of its own to its end; what it throws is thrown here.
template <class Work>
void in_own_thread(Work work) {
  std::exception_ptr failure;
  try {
    std::thread thread{[&] {
      try {
        work();
      } catch (...) {
        failure = std::current_exception();
      }
    }};
    thread.join();
  } catch (const std::system_error& error) {
    throw errno_error(error.code().value(), "clone", "a thread for a network namespace");
  }
  if (failure) std::rethrow_exception(failure);
}

void set_loopback_up(Socket& socket) {
  Batch batch;
  ifinfomsg head{};
  head.ifi_flags = IFF_UP;
  head.ifi_change = IFF_UP;
  batch.begin(RTM_NEWLINK, 0, head);
  batch.put_text(IFLA_IFNAME, "lo");
  expect(socket.transact(batch).front(), "RTM_NEWLINK", "lo");
}

unique_fd open_namespace(const char* path) {
  unique_fd fd{::open(path, O_RDONLY | O_CLOEXEC)};
  if (!fd) throw errno_error("open", path);
  return fd;
}

}  // namespace

Socket socket_in(int netns) {
  std::optional<Socket> socket;
  in_own_thread([&] {
    if (::setns(netns, CLONE_NEWNET) != 0) throw errno_error("setns", "network namespace");
    socket.emplace();
  });
  return *std::move(socket);
}

unique_fd new_netns() {
  unique_fd netns;
  in_own_thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) throw errno_error("unshare", "CLONE_NEWNET");
    Socket socket;
    set_loopback_up(socket);
    netns = open_namespace("/proc/thread-self/ns/net");
  });
  return netns;
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
