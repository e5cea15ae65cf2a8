#include "daemon/launcher/group.hpp"

#include <fcntl.h>

#include <cstring>

#include "daemon/base/error.hpp"
#include "daemon/launcher/killing.hpp"

namespace sovirt::launch {

Group::Group(std::vector<unique_fd> procs, const std::vector<unique_fd>& shelter)
    : view_(read_cgroup_view()), procs_(std::move(procs)) {
  if (procs_.empty()) return;
  for (const unique_fd& one : procs_)
    if (is_systemd_hierarchy(one.get())) systemd_ = one.get();
  for (const unique_fd& one : shelter)
    if (is_systemd_hierarchy(one.get())) systemd_shelter_ = one.duplicate();
  agent_ = std::make_unique<Agent>(procs_, -1, view_);
}

Cloned Group::clone(Type type, std::span<const std::byte> request, std::vector<int> fds) {
  if (v2_) fds.push_back(v2_.get());
  if (procs_.empty()) return clone_here(type, request, fds);
  // A container at its memory limit may have lost its agent to the OOM killer, so a second one is tried.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (!agent_) agent_ = std::make_unique<Agent>(procs_, hidden_ ? systemd_ : -1, view_);
    try {
      if (const auto cloned = agent_->clone(type, request, fds)) return *cloned;
    } catch (const Error& error) {
      // A late answer would be taken for that of the next request.
      if (error.code() == Code::timed_out) agent_.reset();
      throw;
    }
    agent_.reset();
  }
  throw Error{Code::conflict, "the container's memory limit leaves no room to start a process"};
}

Cloned Group::clone_here(Type type, std::span<const std::byte> request, const std::vector<int>& fds) const {
  std::vector<unique_fd> owned;
  for (const int fd : fds) {
    owned.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!owned.back()) throw errno_error("fcntl(F_DUPFD_CLOEXEC)");
  }
  const Cloner cloner{false, view_};
  if (type == Type::clone_init) return cloner.clone_init(owned);
  CloneExec exec{};
  std::memcpy(&exec, request.data(), sizeof exec < request.size() ? sizeof exec : request.size());
  return cloner.clone_exec(exec, owned);
}

void Group::hide_agent_from_systemd() noexcept {
  hidden_ = true;
  if (agent_ && systemd_ >= 0 && systemd_shelter_) agent_->leave(systemd_shelter_.get());
}

void Group::kill_all() noexcept {
  agent_.reset();
  if (procs_.empty()) {
    if (v2_) kill_group(v2_.get());
    return;
  }
  // Any hierarchy has all of them, but for systemd's, which the container's own may have rearranged.
  for (const unique_fd& one : procs_)
    if (one.get() != systemd_) return kill_group(one.get());
  kill_group(procs_.front().get());
}

}  // namespace sovirt::launch
