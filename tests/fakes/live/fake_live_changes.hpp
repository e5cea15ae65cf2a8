#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/live_changes.hpp"

namespace sovirt {

// What is mounted in which container, its name, and which devices the host has. Thread-safe.
class FakeLiveChanges final : public LiveChanges {
 public:
  // For tests.
  void fail_call(int n, Error error);            // the n-th change from now on, 1: the next
  std::set<std::string> missing;                 // sources that are not there
  std::vector<MountSpec> mounts(const std::string& uid) const;
  std::string hostname(const std::string& uid) const;
  std::vector<std::string> nodes() const;

  void check_source(const MountSpec&, const std::string& at) override;
  void mount(std::string_view uid, const MountSpec&) override;
  void unmount(std::string_view uid, const MountSpec&) override;
  void set_hostname(std::string_view uid, const std::string& name) override;
  DeviceNode examine(const DeviceSpec&, const std::string& at) override;
  void add_device(int root, const DeviceNode&) override;
  void remove_device(int root, const std::string& path) override;
  std::string checkpoint_obstacle() override { return "there is no criu in a test"; }

 private:
  void count_call();
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<MountSpec>, std::less<>> mounts_;
  std::map<std::string, std::string, std::less<>> names_;
  std::set<std::string> nodes_;
  std::map<int, Error> failures_;
  int calls_ = 0;
};

}  // namespace sovirt
