#include "daemon/launcher/monitor.hpp"

#include <linux/sched.h>
#include <malloc.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <utility>

#include "daemon/base/error.hpp"
#include "daemon/base/failpoint.hpp"
#include "daemon/launcher/process_file.hpp"

namespace sovirt::launch {
namespace {

Failure failure_of(const Error& error) {
  return make_failure(error.error_number(), error.error_number() ? error.syscall() : "launch", error.detail());
}

Process identify(pid_t pid) {
  const auto stat = process_stat(pid);
  return {pid, 0, stat ? stat->start_ticks : 0};
}

std::vector<unique_fd> take(std::vector<unique_fd>& from, std::size_t count) {
  if (from.size() < count) throw Error{Code::internal, "a message lacks descriptors"};
  std::vector<unique_fd> taken;
  for (std::size_t i = 0; i < count; ++i) taken.push_back(std::move(from[i]));
  from.erase(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
  return taken;
}

}  // namespace

Monitor::Monitor(unique_fd control) : control_(std::move(control)) {
  processes_.monitor = identify(::getpid());
  loop_.add(control_.get(), [this] { on_control(); });
}

void Monitor::run() { loop_.run(); }

void Monitor::on_control() {
  auto message = receive_message(control_.get(), -1);
  if (!message) {
    loop_.remove(control_.get());
    control_.reset();
    if (!going_) abort();
    return;
  }
  try {
    if (message->type == Type::prepare) prepare(*message);
    if (message->type == Type::launch) launch(*message);
    if (message->type == Type::go) go(*message);
  } catch (const Error& error) {
    fail(failure_of(error));
  }
}

void Monitor::prepare(Received& message) {
  const auto prepare = message.as<Prepare>();
  shelter_ = take(message.fds, prepare.monitor_groups);
  // A write to cgroup.procs may take 10 ms. What has to attach its agent has paid for that already, a spare has the
  // time; otherwise it is done once the container runs.
  if (prepare.needs_attach || prepare.spare) enter_shelter();
  group_.emplace(take(message.fds, prepare.container_groups), shelter_);
  if (prepare.needs_attach || prepare.spare) shelter_.clear();
  failpoint::reach("launch:prepared");
}

void Monitor::enter_shelter() noexcept {
  for (const unique_fd& group : shelter_) attach_self(group.get());
}

void Monitor::launch(Received& message) {
  const auto launch = message.as<Launch>();
  if (!group_ || message.fds.size() < 3u + launch.has_v2) throw Error{Code::internal, "a launch lacks descriptors"};
  chroot_ = launch.chroot;
  if (launch.has_v2) group_->set_v2(std::move(message.fds[3]));
  files_.emplace(std::move(message.fds[2]), launch.run_directory, launch.boot_id);
  SocketPair channel = socket_pair();
  const Cloned cloned =
      group_->clone(Type::clone_init, {}, {message.fds[0].get(), message.fds[1].get(), channel.other.get()});
  channel_ = std::move(channel.one);
  init_pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, cloned.pid, 0)));
  if (!init_pidfd_) throw errno_error("pidfd_open");
  failpoint::reach("launch:cloned");
  namespaces_ = cloned.namespaces;
  processes_.init = identify(cloned.pid);
  executions_.emplace(loop_, *group_);
  loop_.add(channel_.get(), [this] { on_channel(); });
  loop_.add(init_pidfd_.get(), [this] { on_init_end(); });
  // All this while the child is at work on its mounts.
  console_.emplace(loop_, ConsoleLog{launch.log_path, launch.log_bytes});
  files_->write_processes(processes_);
  listener_ = files_->listen();
  loop_.add(listener_.get(), [this] { accept_one(); });
  failpoint::reach("launch:recorded");
}

void Monitor::go(const Received& message) {
  if (!channel_) throw Error{Code::internal, "there is nothing to go"};
  failpoint::reach("launch:go");
  std::vector<int> fds;
  if (!message.fds.empty()) fds.push_back(message.fds[0].get());
  files_->publish();
  going_ = true;
  // A child that is dead already is noticed by its channel's end.
  send_message(channel_.get(), Type::go, std::span<const std::byte>{}, fds);
}

void Monitor::on_channel() {
  auto message = receive_message(channel_.get(), -1);
  if (!message) {
    loop_.remove(channel_.get());
    channel_.reset();
    if (executing_) on_started();
    else fail(make_failure(ECANCELED, "set-up", "the process was killed before its command began"));
    return;
  }
  if (message->type == Type::executing) executing_ = true;
  if (message->type == Type::failed) fail(message->as<Failure>());
  if (message->type == Type::console && !message->fds.empty()) console_->take(std::move(message->fds[0]));
}

void Monitor::on_started() {
  failpoint::reach("launch:started");
  started_ = true;
  send_message(control_.get(), Type::launched, processes_);
  if (!chroot_) group_->hide_agent_from_systemd();
  enter_shelter();
  shelter_.clear();
  ::malloc_trim(0);
}

void Monitor::on_init_end() {
  // Its last words may still be unread, and the order of two descriptors' events says nothing.
  while (channel_ && init_pidfd_) on_channel();
  if (!init_pidfd_) return;   // it was a failure
  loop_.remove(init_pidfd_.get());
  failpoint::reach("launch:ended");
  finish(reap(init_pidfd_.get()));
}

void Monitor::accept_one() {
  unique_fd socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  if (!socket) return;
  const auto at = connections_.insert(connections_.end(), std::move(socket));
  loop_.add(at->get(), [this, at] { on_connection(at); });
}

void Monitor::on_connection(std::list<unique_fd>::iterator at) {
  const auto request = receive_message(at->get(), -1);
  loop_.remove(at->get());
  unique_fd socket = std::move(*at);
  connections_.erase(at);
  if (!request) return;
  if (request->type == Type::exec || request->type == Type::exec_session) {
    executions_->start(std::move(socket), *request, init_pidfd_.get(), chroot_ ? CLONE_NEWNS : namespaces_);
    return;
  }
  if (request->type == Type::console_watch) return console_->watch(std::move(socket));
  if (Chores::known(request->type)) return chores_.start(std::move(socket), *request, init_pidfd_.get(), chroot_ ? CLONE_NEWNS : namespaces_);
  if (request->type == Type::status || request->type == Type::subscribe)
    send_message(socket.get(), Type::launched, processes_);
  if (request->type == Type::subscribe) subscribers_.push_back(std::move(socket));
}

void Monitor::abort() noexcept {
  if (init_pidfd_) {
    ::syscall(SYS_pidfd_send_signal, init_pidfd_.get(), SIGKILL, nullptr, 0);
    reap(init_pidfd_.get());
    init_pidfd_.reset();
  }
  if (group_) group_->kill_all();
  if (files_) files_->remove_all();
  loop_.stop();
}

void Monitor::fail(const Failure& failure) noexcept {
  abort();
  send_message(control_.get(), Type::failed, failure);
}

void Monitor::finish(const Ended& ended) noexcept {
  group_->kill_all();
  executions_->finish();
  chores_.finish();
  console_->read_last();
  try {
    files_->write_exit(ended);
  } catch (const Error&) {
    // No room for it: those who listen are told all the same.
  }
  console_->tell_end(ended);
  send_message(control_.get(), Type::exited, ended);
  for (const unique_fd& subscriber : subscribers_) send_message(subscriber.get(), Type::exited, ended);
  loop_.stop();
}

}  // namespace sovirt::launch
