#include "daemon/launcher/agent.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>

#include "daemon/base/error.hpp"

namespace sovirt::launch {
namespace {

constexpr int answer_timeout_ms = 10'000;   // a clone under memory pressure may have to wait for reclaim

void answer(int socket, const Cloner& cloner, const Received& request) {
  try {
    const Cloned cloned = request.type == Type::clone_init ? cloner.clone_init(request.fds)
                                                           : cloner.clone_exec(request.as<CloneExec>(), request.fds);
    send_message(socket, Type::cloned, cloned);
  } catch (const Error& error) {
    const bool kernel = error.error_number() != 0;
    send_message(socket, Type::failed,
                 make_failure(error.error_number(), kernel ? error.syscall() : "config", error.detail()));
  }
}

[[noreturn]] void run_agent(int socket, CgroupView view) {
  // Everything of the monitor but this socket: above all the daemon's, whose end it must be able to notice.
  ::dup2(socket, 3);
  ::syscall(SYS_close_range, 4u, ~0u, 0u);
  ::prctl(PR_SET_NAME, "sovirt-agent", 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  const Cloner cloner{true, std::move(view)};
  while (const auto request = receive_message(3, -1)) {
    if (request->type == Type::leave && !request->fds.empty()) attach_self(request->fds[0].get());
    else answer(3, cloner, *request);
  }
  ::_exit(0);
}

}  // namespace

bool attach_self(int procs) noexcept { return ::write(procs, "0", 1) == 1; }

Agent::Agent(const std::vector<unique_fd>& groups, int except, const CgroupView& view) {
  SocketPair pair = socket_pair();
  pid_ = ::fork();
  if (pid_ < 0) throw errno_error("fork", "agent");
  if (pid_ == 0) {
    for (const unique_fd& group : groups)
      if (group.get() != except && !attach_self(group.get())) {
        send_message(pair.other.get(), Type::failed, make_failure(errno, "cgroup", "attach"));
        ::_exit(1);
      }
    send_message(pair.other.get(), Type::cloned);   // in place
    run_agent(pair.other.get(), view);
  }
  pair.other.reset();
  socket_ = std::move(pair.one);
  const auto ready = receive_message(socket_.get(), answer_timeout_ms);
  if (ready && ready->type == Type::cloned) return;
  end();
  throw errno_error(ready ? ready->as<Failure>().error : EPIPE, "write", "cgroup.procs of the container");
}

Agent::~Agent() { end(); }

void Agent::end() noexcept {
  socket_.reset();
  ::kill(pid_, SIGKILL);
  // In a frozen v1 group not even SIGKILL has an effect before it is thawed, and a monitor must not hang for that:
  // what is left then is a zombie until the monitor ends.
  for (int round = 0; round < 1000 && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++round) ::poll(nullptr, 0, 1);
}

std::optional<Cloned> Agent::clone(Type type, std::span<const std::byte> request, std::span<const int> fds) {
  if (!send_message(socket_.get(), type, request, fds)) return std::nullopt;
  const auto reply = receive_message(socket_.get(), answer_timeout_ms);
  if (!reply) return std::nullopt;
  if (reply->type == Type::cloned) return reply->as<Cloned>();
  const Failure failure = reply->as<Failure>();
  if (failure.error == 0) throw Error{Code::invalid, failure.object};
  throw errno_error(failure.error, failure.stage, failure.object);
}

void Agent::leave(int procs) noexcept {
  const int fds[] = {procs};
  send_message(socket_.get(), Type::leave, {}, fds);
}

}  // namespace sovirt::launch
