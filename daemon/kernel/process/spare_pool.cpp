#include "daemon/kernel/process/spare_pool.hpp"

#include <unistd.h>

#include "daemon/base/error.hpp"
#include "daemon/kernel/process/process_launcher.hpp"

namespace sovirt::process {
namespace {

constexpr std::chrono::milliseconds calm{50};
constexpr std::string_view prefix = "spare.";

}  // namespace

SparePool::SparePool(std::string program, CgroupTree& cgroups, std::vector<DeviceRule> devices)
    : program_(std::move(program)), cgroups_(cgroups), devices_(std::move(devices)), due_(std::chrono::steady_clock::now()) {
  thread_ = std::jthread{[this](std::stop_token stop) { run(stop); }};
}

SparePool::~SparePool() {
  thread_.request_stop();
  thread_.join();
  if (spare_) discard(*spare_);
}

void SparePool::discard(Spare& spare) noexcept {
  spare.monitor.end();
  try {
    if (spare.group.empty()) return;
    cgroups_.kill(spare.group);
    cgroups_.remove(spare.group);
  } catch (const Error&) {
    // Left for the next start, which removes what is called so.
  }
}

std::optional<Spare> SparePool::take() {
  const std::lock_guard lock(mutex_);
  if (spare_ && spare_->monitor.ended()) {
    discard(*spare_);
    spare_.reset();
  }
  std::optional<Spare> taken = std::move(spare_);
  spare_.reset();
  return taken;
}

void SparePool::refill() noexcept {
  const std::lock_guard lock(mutex_);
  if (spare_) return;
  wanted_ = true;
  due_ = std::chrono::steady_clock::now() + calm;
  changed_.notify_one();
}

Spare SparePool::make() {
  if (!cgroups_.needs_attach()) return {MonitorProcess{program_, cgroups_, {}, true}, {}};
  // With our pid: what an earlier daemon left may not be gone yet.
  const std::string group = std::string{prefix} + std::to_string(::getpid()) + "-" + std::to_string(++made_);
  cgroups_.create(group);
  if (!devices_.empty()) cgroups_.set_devices(group, devices_);
  return {MonitorProcess{program_, cgroups_, cgroups_.placement(group), true}, group};
}

// Spares of a daemon that was killed have ended with it, but not their groups.
void SparePool::remove_leftovers() noexcept try {
  for (const std::string& group : cgroups_.groups()) {
    if (!group.starts_with(prefix)) continue;
    cgroups_.kill(group);
    cgroups_.remove(group);
  }
} catch (const Error&) {
  // Not worth a failure: they are empty directories.
}

void SparePool::run(std::stop_token stop) {
  remove_leftovers();
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (!changed_.wait(lock, stop, [this] { return wanted_; })) return;
    const auto due = due_;
    if (std::chrono::steady_clock::now() < due) {
      changed_.wait_until(lock, stop, due, [this, due] { return due_ != due; });
      continue;
    }
    wanted_ = false;
    lock.unlock();
    std::optional<Spare> made;
    try {
      made.emplace(make());
    } catch (const Error&) {
      // Launches do without one; the next of them asks again.
    }
    lock.lock();
    if (made) spare_.emplace(std::move(*made));
  }
}

}  // namespace sovirt::process
