#include "daemon/server/peer_cred.hpp"

#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

bool in_group(int socket, gid_t group) noexcept {
  std::array<gid_t, 256> some{};
  socklen_t size = sizeof some;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, some.data(), &size) == 0)
    return std::find(some.begin(), some.begin() + size / sizeof(gid_t), group) != some.begin() + size / sizeof(gid_t);
  if (errno != ERANGE) return false;
  try {
    std::vector<gid_t> all(size / sizeof(gid_t));  // ERANGE tells the size: NGROUPS_MAX is 65536
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, all.data(), &size) != 0) return false;
    return std::find(all.begin(), all.end(), group) != all.end();
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

std::optional<gid_t> find_group(const std::string& name) {
  std::vector<char> buffer(1024);
  for (;;) {
    group entry{};
    group* found = nullptr;
    const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (error == 0) return found != nullptr ? std::optional{entry.gr_gid} : std::nullopt;
    if (error == EINTR) continue;
    if (error == ENOENT || error == ESRCH) return std::nullopt;
    if (error != ERANGE || buffer.size() > (1u << 22)) throw errno_error(error, "getgrnam_r", name);
    buffer.resize(buffer.size() * 2);
  }
}

Peer read_peer(int socket, std::optional<gid_t> group) noexcept {
  Peer peer;
  ucred cred{};
  socklen_t size = sizeof cred;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0) return peer;
  peer.uid = cred.uid;
  peer.gid = cred.gid;
  peer.pid = cred.pid;
  peer.privileged = cred.uid == 0 || cred.uid == ::geteuid() || (group && (cred.gid == *group || in_group(socket, *group)));
  return peer;
}

}  // namespace sovirt
