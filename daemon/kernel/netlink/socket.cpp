#include "daemon/kernel/netlink/socket.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

namespace sovirt::netlink {
namespace {

constexpr std::size_t buffer_size = 32768;  // the largest piece the kernel makes of a dump
constexpr int dump_attempts = 16;

void set_option(int fd, int option) {
  const int on = 1;
  if (::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on) != 0) throw errno_error("setsockopt", "netlink socket");
}

// NLMSG_ERROR: the negative errno, the header it answers, then (behind what was sent, unless capped) attributes.
Outcome read_error(const nlmsghdr& head, BytesView payload) {
  Outcome outcome;
  const auto error = value_of<nlmsgerr>(payload);
  outcome.error = -error.error;
  if ((head.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return outcome;
  std::size_t skip = sizeof(nlmsgerr);
  if ((head.nlmsg_flags & NLM_F_CAPPED) == 0) skip += NLMSG_ALIGN(error.msg.nlmsg_len) - sizeof(nlmsghdr);
  if (skip >= payload.size()) return outcome;
  if (const auto text = find_attribute(payload.subspan(skip), NLMSGERR_ATTR_MSG)) outcome.note = text_of(*text);
  return outcome;
}

template <class Visit>
void for_each_message(BytesView bytes, Visit visit) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    const auto head = value_of<nlmsghdr>(bytes);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > bytes.size()) return;
    visit(head, bytes.subspan(sizeof head, head.nlmsg_len - sizeof head));
    const std::size_t step = NLMSG_ALIGN(head.nlmsg_len);
    if (step >= bytes.size()) return;
    bytes = bytes.subspan(step);
  }
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

Socket::Socket() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)),
      // Not cleared: most sockets only ever touch its first page.
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(buffer_size)) {
  if (!fd_) throw errno_error("socket", "NETLINK_ROUTE");
  set_option(fd_.get(), NETLINK_EXT_ACK);
  set_option(fd_.get(), NETLINK_CAP_ACK);
  // Without it the kernel ignores the filter of a dump and sends everything.
  set_option(fd_.get(), NETLINK_GET_STRICT_CHK);
  // rtnetlink has answered before send returns; the bound is there for the day that this is not so.
  const timeval limit{10, 0};
  if (::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) throw errno_error("setsockopt", "SO_RCVTIMEO");
}

void Socket::send(BytesView bytes) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent = 0;
  do {
    sent = ::sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) throw errno_error("sendto", "netlink");
}

BytesView Socket::receive() {
  ssize_t got = 0;
  do {
    got = ::recv(fd_.get(), buffer_.get(), buffer_size, MSG_TRUNC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) throw errno_error("recv", "netlink");
  if (static_cast<std::size_t>(got) > buffer_size) throw Error{Code::internal, "netlink: an answer of the kernel is larger than 32 KiB"};
  return {buffer_.get(), static_cast<std::size_t>(got)};
}

std::vector<Outcome> Socket::transact(Batch& batch) {
  std::vector<Outcome> outcomes(batch.count());
  if (outcomes.empty()) return outcomes;
  const std::uint32_t first = sequence_ + 1;
  sequence_ += static_cast<std::uint32_t>(batch.count());
  send(batch.finish(first));
  bool done = false;
  while (!done) {
    for_each_message(receive(), [&](const nlmsghdr& head, BytesView payload) {
      const std::uint32_t index = head.nlmsg_seq - first;
      if (index >= outcomes.size()) return;  // of an exchange given up before
      if (head.nlmsg_type != NLMSG_ERROR) {
        outcomes[index].reply.assign(payload.begin(), payload.end());
        return;
      }
      Outcome said = read_error(head, payload);
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
    for_each_message(receive(), [&](const nlmsghdr& head, BytesView payload) {
      if (head.nlmsg_seq != sequence) return;
      if ((head.nlmsg_flags & NLM_F_DUMP_INTR) != 0) whole = false;
      if (head.nlmsg_type == NLMSG_ERROR) throw kernel_error(read_error(head, payload).error, name, "dump");
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
    send(batch.finish(++sequence_));
    if (read_dump(sequence_, name, out)) return out;
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
