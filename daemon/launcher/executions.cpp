#include "daemon/launcher/executions.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>

#include "daemon/base/error.hpp"
#include "daemon/base/failpoint.hpp"
#include "daemon/launcher/killing.hpp"

namespace sovirt::launch {

Ended reap(int pidfd) noexcept {
  siginfo_t info{};
  const bool reaped = ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) == 0;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  Ended ended{-1, -1, std::chrono::duration_cast<std::chrono::microseconds>(now).count()};
  if (reaped) (info.si_code == CLD_EXITED ? ended.code : ended.signal) = info.si_status;
  return ended;
}

void Executions::start(unique_fd connection, const Received& request, int init_pidfd, std::uint64_t namespaces) {
  try {
    if (request.fds.size() < 4) throw Error{Code::internal, "an exec request lacks descriptors"};
    SocketPair channel = socket_pair();
    const CloneExec wanted{namespaces, group_.has_v2()};
    const Cloned cloned = group_.clone(Type::clone_exec, std::as_bytes(std::span{&wanted, 1}),
                                       {request.fds[0].get(), init_pidfd, channel.other.get(), request.fds[1].get(),
                                        request.fds[2].get(), request.fds[3].get()});
    failpoint::reach("launch:exec-cloned");
    // It is our child, and only we reap it: its pid cannot be another's yet.
    unique_fd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, cloned.pid, 0))};
    if (!pidfd) throw errno_error("pidfd_open");
    const Entry one = running_.insert(running_.end(), One{std::move(connection), std::move(channel.one), std::move(pidfd), cloned.pid, false, {}});
    loop_.add(one->channel.get(), [this, one] { on_channel(one); });
    loop_.add(one->pidfd.get(), [this, one] { on_end(one); });
    loop_.add(one->connection.get(), [this, one] { on_hang_up(one); });
  } catch (const Error& error) {
    send_message(connection.get(), Type::failed, make_failure(error.error_number(), error.syscall(), error.detail()));
  }
}

void Executions::on_channel(Entry one) {
  const auto message = receive_message(one->channel.get(), -1);
  if (message && message->type == Type::executing) one->executing = true;
  if (message && message->type == Type::failed) one->failure = message->as<Failure>();
  if (message) return;
  loop_.remove(one->channel.get());
  one->channel.reset();
}

void Executions::on_end(Entry one) {
  // What it said last may still be unread: its end is noticed by another descriptor.
  while (one->channel) on_channel(one);
  const Ended ended = reap(one->pidfd.get());
  if (one->failure.error != 0) send_message(one->connection.get(), Type::failed, one->failure);
  else if (one->executing) send_message(one->connection.get(), Type::exited, ended);
  else send_message(one->connection.get(), Type::failed, make_failure(ECANCELED, "set-up", "it was killed before it began"));
  drop(one);
}

void Executions::on_hang_up(Entry one) {
  if (receive_message(one->connection.get(), -1)) return;   // nothing to be said here yet
  // It may only have been shut down for writing, by one who still wants to know the end.
  loop_.remove(one->connection.get());
  kill_descendants(one->pid);
}

void Executions::drop(Entry one) {
  for (const int fd : {one->channel.get(), one->pidfd.get(), one->connection.get()}) loop_.remove(fd);
  running_.erase(one);
}

void Executions::finish() noexcept {
  while (!running_.empty()) {
    pollfd dead{running_.front().pidfd.get(), POLLIN, 0};
    if (::poll(&dead, 1, 1000) != 1) drop(running_.begin());   // in a wait that SIGKILL does not end
    else on_end(running_.begin());
  }
}

}  // namespace sovirt::launch
