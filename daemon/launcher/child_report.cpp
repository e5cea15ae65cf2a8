#include "daemon/launcher/child_report.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/launcher/protocol.hpp"

namespace sovirt::launch::child {

void Reporter::fail(int error, const char* stage, const char* object) const noexcept {
  send_message(channel_, Type::failed, make_failure(error, stage, object));
  ::_exit(127);
}

void Reporter::must(bool succeeded, const char* stage, const char* object) const noexcept {
  if (!succeeded) fail(errno, stage, object);
}

void Reporter::hand_over_console(int master) const noexcept {
  const int fds[] = {master};
  must(send_message(channel_, Type::console, {}, fds), "console", "hand over");
}

void Reporter::about_to_execute() const noexcept {
  if (!send_message(channel_, Type::executing)) ::_exit(127);
}

int Reporter::await_go() const noexcept {
  char bytes[64];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec part{bytes, sizeof bytes};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = 0;
  do size = ::recvmsg(channel_, &message, MSG_CMSG_CLOEXEC);
  while (size < 0 && errno == EINTR);
  if (size <= 0) ::_exit(127);
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  int fd = -1;
  if (rights && rights->cmsg_type == SCM_RIGHTS) std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
  return fd;
}

void Reporter::close() noexcept {
  ::close(channel_);
  channel_ = -1;
}

}  // namespace sovirt::launch::child
