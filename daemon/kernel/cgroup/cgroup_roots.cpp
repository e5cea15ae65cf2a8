#include "daemon/kernel/cgroup/cgroup_roots.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <map>

namespace sovirt {
namespace {

std::string disk_numbers(const std::string& device) {
  if (device.find('/') == std::string::npos) return device;
  struct stat status {};
  if (::stat(device.c_str(), &status) != 0 || !S_ISBLK(status.st_mode))
    throw Error{Code::invalid, device + " is not a disk of this host"}.with_fields({{"/io/limits", "not-found", device + " is not a disk of this host"}});
  return std::to_string(major(status.st_rdev)) + ":" + std::to_string(minor(status.st_rdev));
}

}  // namespace

Error absent_group(std::string_view group) { return Error{Code::not_found, "there is no cgroup " + std::string{group}}; }

unique_fd present(std::optional<unique_fd> directory, std::string_view group) {
  if (!directory) throw absent_group(group);
  return std::move(*directory);
}

CgroupRoots::CgroupRoots(std::string_view parent, std::string_view instance, std::vector<CgroupHierarchy> hierarchies) {
  for (CgroupHierarchy& hierarchy : hierarchies) {
    if (hierarchy.writable)
      all.emplace_back(std::move(hierarchy), parent, instance);
    else
      unused.push_back(std::move(hierarchy));
  }
  if (all.empty())
    throw Error{Code::unsupported, "no writable cgroup hierarchy is mounted"}.with_hint(
        "mount -t cgroup2 none /sys/fs/cgroup");
}

const HierarchyRoot* CgroupRoots::controlling(std::string_view controller) const {
  for (const HierarchyRoot& root : all)
    if (root.has(controller == "io" ? "blkio" : controller)) return &root;
  return v2();
}

bool CgroupRoots::exists(std::string_view group) const {
  return std::any_of(all.begin(), all.end(), [&](const HierarchyRoot& root) { return root.group(group).has_value(); });
}

LimitVersions CgroupRoots::versions() const {
  const auto of = [&](std::string_view controller) {
    const HierarchyRoot* root = controlling(controller);
    return root ? root->version() : 2;
  };
  return {of("cpu"), of("memory"), of("pids"), of("cpuset"), of("io")};
}

GroupLimits::GroupLimits(const CgroupRoots& roots, std::string_view group, const LimitsSpec& limits)
    : writes_(limit_writes(limits, roots.versions())), kill_excess_(limits.kill_excess) {
  std::map<std::string, int> opened;
  const auto directory_of = [&](const std::string& controller) {
    const auto known = opened.find(controller);
    if (known != opened.end()) return known->second;
    const HierarchyRoot* root = roots.controlling(controller);
    auto directory = root ? root->group(group) : std::nullopt;
    const int fd = directory ? directory->get() : -1;
    if (directory) held_.push_back(std::move(*directory));
    return opened[controller] = fd;
  };
  const int io = directory_of("io");
  const auto text_of = [&](const std::string& file) { return io < 0 ? "" : read_text_at(io, file.c_str()).value_or(""); };
  for (LimitWrite& write : io_writes(limits.io_limits, roots.versions().io, disk_numbers, text_of)) writes_.push_back(std::move(write));
  for (const LimitWrite& write : writes_) directories_.push_back(directory_of(write.controller));
}

}  // namespace sovirt
