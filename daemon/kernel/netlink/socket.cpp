#include "daemon/kernel/netlink/socket.hpp"

#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "daemon/kernel/netlink/attributes.hpp"
#include "daemon/kernel/netlink/connection.hpp"

namespace sovirt::netlink {
namespace {

// Each way. With the 32 KiB that libnl sets, the errors of a long batch would not find room.
constexpr int kernel_queue = 208 << 10;
constexpr int dump_attempts = 16;

// libnl knows none of these options.
void set_option(int fd, int option) {
  const int on = 1;
  if (::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on) != 0) throw errno_error("setsockopt", "netlink socket");
}

constexpr auto error_policy = [] {
  Policy<NLMSGERR_ATTR_MAX> policy{};
  policy[NLMSGERR_ATTR_MSG].type = NLA_STRING;
  return policy;
}();

// NLMSG_ERROR: the negative errno, the header it answers, then (behind what was sent, unless capped) attributes.
// libnl's own reading of it ends at the errno.
Outcome read_error(const nlmsghdr& head) {
  Outcome outcome;
  const BytesView payload = payload_of(head);
  const auto error = value_of<nlmsgerr>(payload);
  outcome.error = -error.error;
  if ((head.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return outcome;
  std::size_t skip = sizeof(nlmsgerr);
  if ((head.nlmsg_flags & NLM_F_CAPPED) == 0) skip += NLMSG_ALIGN(error.msg.nlmsg_len) - sizeof(nlmsghdr);
  if (skip >= payload.size()) return outcome;
  const Attributes<NLMSGERR_ATTR_MAX> said{payload.subspan(skip), error_policy};
  if (const nlattr* const text = said[NLMSGERR_ATTR_MSG]) outcome.note = ::nla_get_string(text);
  return outcome;
}

Code code_of(int number) noexcept {
  switch (number) {
    case ENODEV: case ENXIO: return Code::not_found;
    case EEXIST: case EBUSY: case ELOOP: return Code::conflict;
    case EINVAL: case ERANGE: case EADDRNOTAVAIL: case ENETUNREACH: case EHOSTUNREACH: return Code::invalid;
    case EOPNOTSUPP: case EAFNOSUPPORT: return Code::unsupported;
    default: return Code::internal;
  }
}

}  // namespace

Socket::Socket(int protocol) : socket_(connect(protocol)) {
  errno = 0;
  if (const int code = ::nl_socket_set_buffer_size(socket_.get(), kernel_queue, kernel_queue); code < 0)
    throw library_error("nl_socket_set_buffer_size", code, errno);
  const int fd = ::nl_socket_get_fd(socket_.get());
  set_option(fd, NETLINK_EXT_ACK);
  set_option(fd, NETLINK_CAP_ACK);
  // Without it the kernel ignores the filter of a dump and sends everything.
  set_option(fd, NETLINK_GET_STRICT_CHK);
  // rtnetlink has answered before send returns; the bound is there for the day that this is not so.
  const timeval limit{10, 0};
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) throw errno_error("setsockopt", "SO_RCVTIMEO");
}

std::uint32_t Socket::take_sequence(std::size_t count) {
  const std::uint32_t first = ::nl_socket_use_seq(socket_.get());
  for (std::size_t i = 1; i < count; ++i) ::nl_socket_use_seq(socket_.get());
  return first;
}

// Neither nl_send(), which sends one message, nor nl_send_auto_complete(), which numbers it and asks for its acknowledgement.
void Socket::send(BytesView bytes) {
  int sent = 0;
  do {
    errno = 0;
    sent = ::nl_sendto(socket_.get(), const_cast<std::uint8_t*>(bytes.data()), bytes.size());
  } while (sent == -NLE_INTR);
  if (sent < 0) throw library_error("nl_sendto", sent, errno);
}

// nl_recv() and not nl_recvmsgs(): that takes answers in the order of its own counting, copies each once more, and calls
// back through C, where nothing may be thrown.
Datagram Socket::next() {
  errno = 0;
  Datagram datagram = receive(socket_.get());
  if (datagram.size <= 0) throw library_error("nl_recv", datagram.size, errno);
  return datagram;
}

std::vector<Outcome> Socket::transact(Batch& batch) {
  std::vector<Outcome> outcomes(batch.count());
  if (outcomes.empty()) return outcomes;
  const std::uint32_t first = take_sequence(batch.count());
  send(batch.finish(first));
  bool done = false;
  while (!done) {
    for_each_message(next(), [&](const nlmsghdr& head) {
      const std::uint32_t index = head.nlmsg_seq - first;
      if (index >= outcomes.size()) return;  // of an exchange given up before
      if (head.nlmsg_type != NLMSG_ERROR) {
        const BytesView payload = payload_of(head);
        outcomes[index].reply.assign(payload.begin(), payload.end());
        return;
      }
      Outcome said = read_error(head);
      outcomes[index].error = said.error;
      outcomes[index].note = std::move(said.note);
      done = done || index + 1 == outcomes.size();
    });
  }
  return outcomes;
}

bool Socket::read_dump(std::uint32_t sequence, const char* name, Dump& out) {
  bool done = false;
  bool whole = true;
  while (!done) {
    for_each_message(next(), [&](const nlmsghdr& head) {
      if (head.nlmsg_seq != sequence) return;
      const BytesView payload = payload_of(head);
      if ((head.nlmsg_flags & NLM_F_DUMP_INTR) != 0) whole = false;
      if (head.nlmsg_type == NLMSG_ERROR) throw kernel_error(read_error(head).error, name, "dump");
      if (head.nlmsg_type == NLMSG_DONE) {
        done = true;
        if (const int error = -value_of<int>(payload); error > 0) throw kernel_error(error, name, "dump");
        return;
      }
      out.emplace_back(payload.begin(), payload.end());
    });
  }
  return whole;
}

Dump Socket::dump(Batch& batch, const char* name) {
  for (int attempt = 0; attempt < dump_attempts; ++attempt) {
    Dump out;
    const std::uint32_t sequence = take_sequence(1);
    send(batch.finish(sequence));
    if (read_dump(sequence, name, out)) return out;
  }
  throw Error{Code::unavailable, "the host's links change faster than they can be read"}.with_errno(EAGAIN, name);
}

SocketPool::Lease SocketPool::borrow() {
  {
    const std::lock_guard lock{mutex_};
    if (!idle_.empty()) {
      Socket socket = std::move(idle_.back());
      idle_.pop_back();
      return {*this, std::move(socket)};
    }
  }
  return {*this, Socket{}};
}

SocketPool::Lease::~Lease() {
  // Thrown through: the exchange may have stopped half-way, and its rest is nobody's answer.
  if (std::uncaught_exceptions() > exceptions_) return;
  const std::lock_guard lock{pool_->mutex_};
  if (pool_->idle_.size() < most_idle) pool_->idle_.push_back(std::move(socket_));
}

Error kernel_error(int number, std::string message, std::string context, const std::string& note) {
  const Error plain = errno_error(number, message, std::move(context));
  const Code code = plain.code() == Code::internal ? code_of(number) : plain.code();
  std::string detail = plain.detail();
  if (!note.empty()) detail += " (" + note + ")";
  return Error{code, std::move(detail)}.with_errno(number, std::move(message));
}

void expect(const Outcome& outcome, std::string message, std::string context) {
  if (outcome.error != 0) throw kernel_error(outcome.error, std::move(message), std::move(context), outcome.note);
}

}  // namespace sovirt::netlink
