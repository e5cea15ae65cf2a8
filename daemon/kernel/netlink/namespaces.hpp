#pragma once
#include <sys/types.h>

#include <functional>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/netlink/socket.hpp"

namespace sovirt::netlink {

// The calling thread goes into the namespace and comes back before these return: 3 us there and back. A thread of its
// own would cost 14 us on an idle host, and on a busy one the wait for a CPU, on the path of every start.
// A thread that could not come back would act on the wrong network for ever, so the process ends then
// (it needs memory for one small object, nothing else). All throw Error.
Socket socket_in(int netns, int protocol = 0);
// Runs `work` there. It must not start threads nor leave the namespace itself.
void run_in(int netns, const std::function<void()>& work);
unique_fd new_netns();               // with lo up
unique_fd netns_of(pid_t process);   // Error{not_found} if there is no such process

}  // namespace sovirt::netlink
