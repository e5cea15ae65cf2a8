#pragma once
#include <sys/types.h>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/netlink/socket.hpp"

namespace sovirt::netlink {

// What must happen inside another network namespace happens in a thread that lives for nothing else: a thread that
// could not get back to its own namespace would act on the wrong one for ever. All throw Error.
Socket socket_in(int netns);
unique_fd new_netns();               // with lo up
unique_fd netns_of(pid_t process);   // Error{not_found} if there is no such process

}  // namespace sovirt::netlink
