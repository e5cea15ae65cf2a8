#include "daemon/kernel/process/container_launch.hpp"

#include "daemon/base/error.hpp"
#include "daemon/kernel/process/monitor_client.hpp"

namespace sovirt::process {
namespace {

constexpr int start_timeout_ms = 60'000;   // a command may have to be read from a slow disk

}  // namespace

ContainerLaunch::ContainerLaunch(MonitorProcess monitor, std::string uid, std::string name, std::string group, Parts parts)
    : monitor_(std::move(monitor)), uid_(std::move(uid)), name_(std::move(name)), group_(std::move(group)), parts_(parts) {}

ContainerLaunch::~ContainerLaunch() {
  if (!launched_) {
    monitor_.end();   // which waits until the child is dead and reaped
    try {
      parts_.cgroups.kill(group_);   // a monitor that was itself killed has left it to us
      parts_.run.remove(uid_);
    } catch (const Error&) {
      // Whoever undoes the launch kills and forgets again, and says what it cannot.
    }
  }
  if (parts_.spares) parts_.spares->refill();
}

Launched ContainerLaunch::go(int netns) {
  if (launched_) throw Error{Code::internal, name_ + " was launched already"};
  const int fds[] = {netns};
  const std::span<const int> given{fds, netns >= 0 ? 1u : 0u};
  // A monitor that has failed meanwhile has said why: the answer is there all the same.
  launch::send_message(monitor_.control(), launch::Type::go, {}, given);
  const Launched started = await_start();
  launched_ = true;
  parts_.watcher.add(uid_, monitor_.release_control(), monitor_.release_pidfd());
  return started;
}

Launched ContainerLaunch::await_start() {
  const auto answer = launch::receive_message(monitor_.control(), start_timeout_ms);
  if (!answer) throw Error{Code::internal, "the monitor of " + name_ + " died while it was started"};
  if (answer->type == launch::Type::failed)
    throw from_wire(answer->as<launch::Failure>(), Code::conflict, "cannot start " + name_);
  if (answer->type != launch::Type::launched) throw Error{Code::internal, "the monitor of " + name_ + " speaks nonsense"};
  return from_wire(answer->as<launch::Processes>());
}

}  // namespace sovirt::process
