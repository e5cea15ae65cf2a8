#pragma once
#include <sys/types.h>

#include <optional>
#include <string>

#include "daemon/server/message.hpp"

namespace sovirt {

std::optional<gid_t> find_group(const std::string& name);   // Throws Error where the data base of groups fails

// Who is at the other end of a connected Unix socket. Privileged: uid 0, this process's own effective uid, or
// with `group` among its groups at the time of connect(2). What cannot be found out is nobody.
Peer read_peer(int socket, std::optional<gid_t> group) noexcept;

}  // namespace sovirt
