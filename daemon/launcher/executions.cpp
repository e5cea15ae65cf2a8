#include "daemon/launcher/executions.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>

#include "daemon/base/error.hpp"
#include "daemon/base/failpoint.hpp"
#include "daemon/launcher/killing.hpp"

namespace sovirt::launch {

namespace {

void signal_group(pid_t leader, int number) noexcept {
  if (number < 1 || number > SIGRTMAX) return;
  // It is our child and not reaped yet, so its number is still its own; before its setsid there is no such group.
  if (::kill(-leader, number) < 0) ::kill(leader, number);
}

// False: nothing will come any more.
bool read_away(int fd) noexcept {
  char block[4096];
  for (;;) {
    const ssize_t size = ::read(fd, block, sizeof block);
    if (size > 0 || (size < 0 && errno == EINTR)) continue;
    return size < 0 && errno == EAGAIN;
  }
}

}  // namespace

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
    const bool session = request.type == Type::exec_session;
    if (request.fds.size() < (session ? 1u : 4u)) throw Error{Code::internal, "an exec request lacks descriptors"};
    SocketPair channel = socket_pair();
    const CloneExec wanted{namespaces, group_.has_v2()};
    std::vector<int> fds{request.fds[0].get(), init_pidfd, channel.other.get()};
    for (std::size_t i = 1; i < request.fds.size() && i < 4; ++i) fds.push_back(request.fds[i].get());
    const Cloned cloned = group_.clone(Type::clone_exec, std::as_bytes(std::span{&wanted, 1}), std::move(fds));
    failpoint::reach("launch:exec-cloned");
    // It is our child, and only we reap it: its pid cannot be another's yet.
    unique_fd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, cloned.pid, 0))};
    if (!pidfd) throw errno_error("pidfd_open");
    const Entry one = running_.insert(running_.end(), One{std::move(connection), std::move(channel.one), std::move(pidfd), cloned.pid, session, false, false, {}, {}});
    loop_.add(one->channel.get(), [this, one] { on_channel(one); });
    loop_.add(one->pidfd.get(), [this, one] { on_end(one); });
    loop_.add(one->connection.get(), [this, one] { on_connection(one); });
  } catch (const Error& error) {
    send_message(connection.get(), Type::failed, make_failure(error.error_number(), error.syscall(), error.detail()));
  }
}

void Executions::on_channel(Entry one) {
  auto message = receive_message(one->channel.get(), -1);
  if (message && message->type == Type::executing) one->executing = true;
  if (message && message->type == Type::failed) one->failure = message->as<Failure>();
  if (message && message->type == Type::console && !message->fds.empty()) {
    const int terminal[] = {message->fds[0].get()};
    send_message(one->connection.get(), Type::terminal, {}, terminal);
    // Kept here too: hung up with the daemon's, its leader would be gone before what it leaves behind is looked for.
    one->outputs.push_back(std::move(message->fds[0]));
  }
  if (message) return;
  loop_.remove(one->channel.get());
  one->channel.reset();
  if (one->session && one->executing && one->failure.error == 0) send_message(one->connection.get(), Type::started);
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

void Executions::on_connection(Entry one) {
  auto message = receive_message(one->connection.get(), -1);
  if (!message) return on_hang_up(one);
  if (message->type == Type::signal) signal_group(one->pid, message->as<Signal>().number);
  if (message->type == Type::keep) {
    one->kept = true;
    if (one->outputs.empty()) one->outputs = std::move(message->fds);
  }
}

void Executions::on_hang_up(Entry one) {
  // It may only have been shut down for writing, by one who still wants to know the end.
  loop_.remove(one->connection.get());
  if (one->kept) discard_outputs(one);
  else kill_descendants(one->pid);
}

// Without a reader it would soon block, or die by SIGPIPE.
void Executions::discard_outputs(Entry one) {
  for (const unique_fd& output : one->outputs) {
    const int fd = output.get();
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    // On edges: a terminal that nobody has open is hung up for as long as that is so.
    loop_.add(fd, [this, fd] { if (!read_away(fd)) loop_.remove(fd); }, EventLoop::Trigger::edge);
    read_away(fd);
  }
}

void Executions::drop(Entry one) {
  for (const int fd : {one->channel.get(), one->pidfd.get(), one->connection.get()}) loop_.remove(fd);
  for (const unique_fd& output : one->outputs) loop_.remove(output.get());
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
