#include "daemon/server/listener.hpp"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "daemon/base/error.hpp"
#include "daemon/server/peer_cred.hpp"

namespace sovirt {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    throw Error{Code::invalid, "the path of a socket has 1 to 107 bytes: " + path};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* generic(const sockaddr_un& address) noexcept { return reinterpret_cast<const sockaddr*>(&address); }

unique_fd make_socket() {
  unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) throw errno_error("socket");
  return fd;
}

Error taken(const std::string& path) { return Error{Code::conflict, "another sovirtd is listening at " + path}; }

// Removes the file of a socket that nobody listens on any more.
void clear_stale(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return;
    throw errno_error("lstat", path);
  }
  if (!S_ISSOCK(found.st_mode)) throw Error{Code::conflict, path + " exists and is not a socket"};
  const auto probe = make_socket();
  const auto address = address_of(path);
  // EAGAIN: it listens, and its queue is full.
  if (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN) throw taken(path);
  if (errno != ECONNREFUSED) throw errno_error("connect", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw errno_error("unlink", path);
}

void set_owner_and_mode(const Listen& listen) {
  mode_t mode = listen.mode;
  if (!listen.group.empty()) {
    const auto group = find_group(listen.group);
    if (group && ::chown(listen.path.c_str(), static_cast<uid_t>(-1), *group) != 0) throw errno_error("chown", listen.path);
    // Without the group its rights would go to whatever group the daemon has; root's own is as good as root.
    if (!group && ::getegid() != 0 && (mode & 07) == 0) mode &= static_cast<mode_t>(~070);
  }
  if (::chmod(listen.path.c_str(), mode) != 0) throw errno_error("chmod", listen.path);
}

}  // namespace

Listener::Listener(Listen listen) : fd_(std::move(listen.fd)), path_(listen.path), read_only_(listen.read_only) {
  if (fd_) return;
  const auto address = address_of(path_);
  clear_stale(path_);
  fd_ = make_socket();
  // Linux gives the file the mode of the socket's own inode: closed to others until owner and mode are right.
  if (::fchmod(fd_.get(), 0600) != 0) throw errno_error("fchmod", path_);
  if (::bind(fd_.get(), generic(address), sizeof address) != 0) {
    if (errno == EADDRINUSE) throw taken(path_);
    throw errno_error("bind", path_);
  }
  ours_ = true;
  struct stat made{};
  if (::lstat(path_.c_str(), &made) != 0) throw errno_error("lstat", path_);
  device_ = made.st_dev;
  inode_ = made.st_ino;
  set_owner_and_mode(listen);
  if (::listen(fd_.get(), SOMAXCONN) != 0) throw errno_error("listen", path_);
}

Listener::~Listener() {
  if (!ours_ || !fd_) return;
  struct stat now{};
  if (::lstat(path_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_) ::unlink(path_.c_str());
}

}  // namespace sovirt
