#include "daemon/launcher/protocol.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/base/error.hpp"

namespace sovirt::launch {
namespace {

constexpr std::size_t most_fds = 64;      // two cgroup.procs a hierarchy is the largest use

struct Header { std::uint8_t version; Type type; std::uint16_t reserved; };
static_assert(sizeof(Header) == header_bytes);

void wait_readable(int socket, int timeout_ms) {
  pollfd one{socket, POLLIN, 0};
  int ready = 0;
  do ready = ::poll(&one, 1, timeout_ms);
  while (ready < 0 && errno == EINTR);
  if (ready == 0) throw Error{Code::timed_out, "no answer within the time for it: the container may be frozen"};
}

void take_fds(msghdr& header, std::vector<unique_fd>& fds) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control; control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
}

}  // namespace

bool send_message(int socket, Type type, std::span<const std::byte> body, std::span<const int> fds) noexcept {
  if (fds.size() > most_fds || body.size() > most_packet_bytes - sizeof(Header)) {
    errno = EMSGSIZE;
    return false;
  }
  Header header{protocol_version, type, 0};
  std::array<iovec, 2> parts{iovec{&header, sizeof header}, iovec{const_cast<std::byte*>(body.data()), body.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(most_fds * sizeof(int))];
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  ssize_t sent = 0;
  do sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

std::optional<Received> receive_message(int socket, int timeout_ms) {
  if (timeout_ms >= 0) wait_readable(socket, timeout_ms);
  std::array<std::byte, most_packet_bytes> bytes;
  alignas(cmsghdr) char control[CMSG_SPACE(most_fds * sizeof(int))];
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = 0;
  // Somebody who ends with messages of ours unread resets the connection; what it said before that is still there.
  int resets = 0;
  do size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (size < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
  Received received;
  if (size > 0) take_fds(message, received.fds);
  Header header{};
  if (size < static_cast<ssize_t>(sizeof header) || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version != protocol_version) return std::nullopt;
  received.type = header.type;
  received.body.assign(bytes.begin() + sizeof header, bytes.begin() + size);
  return received;
}

std::string_view body_of(std::string_view message, Type type) noexcept {
  Header header{};
  if (message.size() < sizeof header) return {};
  std::memcpy(&header, message.data(), sizeof header);
  return header.version == protocol_version && header.type == type ? message.substr(sizeof header) : std::string_view{};
}

SocketPair socket_pair() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) throw errno_error("socketpair");
  return {unique_fd{pair[0]}, unique_fd{pair[1]}};
}

Failure make_failure(int error, std::string_view stage, std::string_view object) noexcept {
  Failure failure{};
  failure.error = error;
  copy_text(failure.stage, stage);
  copy_text(failure.object, object);
  return failure;
}

void copy_bytes(void* to, std::size_t size, const std::vector<std::byte>& from) noexcept {
  if (!from.empty()) std::memcpy(to, from.data(), size < from.size() ? size : from.size());
}

}  // namespace sovirt::launch
