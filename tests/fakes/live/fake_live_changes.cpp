#include "tests/fakes/live/fake_live_changes.hpp"

#include <algorithm>

namespace sovirt {

void FakeLiveChanges::fail_call(int n, Error error) {
  const std::lock_guard lock(mutex_);
  failures_.insert_or_assign(calls_ + n, std::move(error));
}

std::vector<MountSpec> FakeLiveChanges::mounts(const std::string& uid) const {
  const std::lock_guard lock(mutex_);
  const auto found = mounts_.find(uid);
  return found == mounts_.end() ? std::vector<MountSpec>{} : found->second;
}

std::string FakeLiveChanges::hostname(const std::string& uid) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(uid);
  return found == names_.end() ? std::string{} : found->second;
}

std::vector<std::string> FakeLiveChanges::nodes() const {
  const std::lock_guard lock(mutex_);
  return {nodes_.begin(), nodes_.end()};
}

void FakeLiveChanges::count_call() {
  const auto failure = failures_.find(++calls_);
  if (failure != failures_.end()) throw failure->second;
}

void FakeLiveChanges::check_source(const MountSpec& mount, const std::string& at) {
  if (missing.contains(mount.source)) throw Error{Code::conflict, mount.source + ": No such file or directory"}.with_fields({{at, "source", "absent"}});
}

void FakeLiveChanges::mount(std::string_view uid, const MountSpec& mount) {
  check_source(mount, "");
  const std::lock_guard lock(mutex_);
  count_call();
  auto& mine = mounts_[std::string{uid}];
  if (std::find(mine.begin(), mine.end(), mount) == mine.end()) mine.push_back(mount);
}

void FakeLiveChanges::unmount(std::string_view uid, const MountSpec& mount) {
  const std::lock_guard lock(mutex_);
  count_call();
  std::erase_if(mounts_[std::string{uid}], [&](const MountSpec& one) { return one.target == mount.target && one.source == mount.source; });
}

void FakeLiveChanges::set_hostname(std::string_view uid, const std::string& name) {
  const std::lock_guard lock(mutex_);
  count_call();
  names_[std::string{uid}] = name;
}

DeviceNode FakeLiveChanges::examine(const DeviceSpec& device, const std::string& at) {
  if (missing.contains(device.source)) throw Error{Code::conflict, device.source + ": No such file or directory"}.with_fields({{at, "source", "absent"}});
  return {device.path, "c", 10, 229, 0666, 0, 0};
}

void FakeLiveChanges::add_device(int, const DeviceNode& node) {
  const std::lock_guard lock(mutex_);
  count_call();
  nodes_.insert(node.path);
}

void FakeLiveChanges::remove_device(int, const std::string& path) {
  const std::lock_guard lock(mutex_);
  count_call();
  nodes_.erase(path);
}

}  // namespace sovirt
