#include "daemon/kernel/cgroup/kernel_cgroup_tree.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/cgroup_members.hpp"
#include "daemon/kernel/cgroup/cgroup_meters.hpp"
#include "daemon/kernel/cgroup/cgroup_roots.hpp"
#include "daemon/kernel/cgroup/device_filter.hpp"
#include "daemon/kernel/cgroup/freezer.hpp"
#include "daemon/kernel/cgroup/kernel_cgroup_watch.hpp"
#include "daemon/kernel/cgroup/killer.hpp"

namespace sovirt {
namespace {

using std::chrono_literals::operator""s;

// v1 shows "no limit" as the largest multiple of the page size.
constexpr std::uint64_t unlimited_v1 = std::uint64_t{1} << 62;
constexpr std::size_t deepest_group = 8;

// Goes on after a failure and reports all of them as one.
class Failures {
 public:
  void run(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      texts_ += (texts_.empty() ? "" : "; ") + error.detail();
      busy_ = busy_ || error.error_number() == EBUSY;
    }
  }
  bool busy() const noexcept { return busy_; }
  void raise(const std::string& what) const {
    if (!texts_.empty()) throw Error{busy_ ? Code::conflict : Code::internal, what + ": " + texts_};
  }

 private:
  std::string texts_;
  bool busy_ = false;
};

// Containers' groups are called NAME.UID; no other has a dot, but for those of cgroups that are called as one of ours is.
bool is_of_container(std::string_view group) { return group.find('.') != std::string_view::npos && !group.ends_with(".group"); }

// A container sees the group its init was put in as the top of each hierarchy, and its root may write the files there. v2
// keeps it from that (nsdelegate); on v1 the limits have to be on the group above, which it does not see. Only where a
// limit holds what is below, too: throttling of v1's blkio does not, a cpuset that has groups cannot shrink, and devices
// can only be set on a group without any.
bool is_bounded_from_above(const HierarchyRoot& root) {
  const bool inherited = root.has("cpu") || root.has("cpuacct") || root.has("memory") || root.has("pids");
  return inherited && !root.has("cpuset") && !root.has("blkio") && !root.has("devices");
}

unique_fd group_inside(const unique_fd& group, const char* name) {
  if (::mkdirat(group.get(), name, 0755) != 0 && errno != EEXIST) throw errno_error("mkdirat", name);
  return present(open_directory_at(group.get(), name), name);
}

class KernelCgroupTree final : public CgroupTree {
 public:
  explicit KernelCgroupTree(std::shared_ptr<CgroupRoots> shared) : shared_(std::move(shared)) {}

  std::vector<CgroupController> controllers() override;
  void create(std::string_view group) override;
  void rename(std::string_view from, std::string_view to) override;
  bool remove(std::string_view group) override;
  std::vector<std::string> groups() override;
  CgroupPlacement placement(std::string_view group) override;
  std::vector<pid_t> processes(std::string_view group) override;
  void set_frozen(std::string_view group, bool frozen) override;
  void kill(std::string_view group) override;
  CgroupUsage usage(std::string_view group) override;
  LimitsOutcome set_limits(std::string_view group, const LimitsSpec&) override;
  void set_devices(std::string_view group, const std::vector<DeviceRule>&) override;
  std::string path(std::string_view group) override;
  bool needs_attach() override { return !roots_.empty() && roots_.front().version() == 1; }

 private:
  const HierarchyRoot* v2() const { return shared_->v2(); }
  const HierarchyRoot* controlling(std::string_view controller) const { return shared_->controlling(controller); }
  bool exists(std::string_view group) const { return shared_->exists(group); }
  void rename_all(std::string_view from, std::string_view to);
  void check_rename(std::string_view from, std::string_view to) const;

  std::shared_ptr<CgroupRoots> shared_;
  std::vector<HierarchyRoot>& roots_ = shared_->all;
  std::mutex& making_ = shared_->making;
};

std::vector<CgroupController> KernelCgroupTree::controllers() {
  std::vector<CgroupController> all;
  const auto add = [&](const CgroupHierarchy& hierarchy, bool used) {
    for (const std::string& name : hierarchy.controllers) all.push_back({name, hierarchy.version, hierarchy.mount, used});
  };
  for (const HierarchyRoot& root : roots_) add(root.hierarchy(), true);
  for (const CgroupHierarchy& hierarchy : shared_->unused) add(hierarchy, false);
  if (const HierarchyRoot* root = v2()) {
    const auto parent = root->parent();
    const auto names = parent ? split_words(read_text_at(parent->get(), "cgroup.controllers").value_or("")) : std::vector<std::string>{};
    const auto& wanted = wanted_v2_controllers();
    for (const std::string& name : names)
      all.push_back({name, 2, root->hierarchy().mount, std::find(wanted.begin(), wanted.end(), name) != wanted.end()});
  }
  return all;
}

void KernelCgroupTree::create(std::string_view group) {
  check_group_name(group);
  const std::scoped_lock lock{making_};
  const auto slash = group.rfind('/');
  if (slash != std::string_view::npos && !exists(group.substr(0, slash))) throw absent_group(group.substr(0, slash));
  std::vector<HierarchyRoot*> made;
  try {
    for (HierarchyRoot& root : roots_)
      if (root.create(group)) made.push_back(&root);
  } catch (...) {
    for (HierarchyRoot* root : made) {
      Failures ignored;  // the first failure is the one to tell
      ignored.run([&] { root->remove(group, Deadline{0s}); });
    }
    for (HierarchyRoot& root : roots_) root.drop_own();
    throw;
  }
}

void KernelCgroupTree::check_rename(std::string_view from, std::string_view to) const {
  bool source = false, target = false;
  for (const HierarchyRoot& root : roots_) {
    const bool has_source = root.group(from).has_value(), has_target = root.group(to).has_value();
    if (root.version() == 1 && has_source && has_target)
      throw Error{Code::exists, "there is a cgroup " + std::string{to} + " already"};
    source = source || has_source;
    target = target || has_target;
  }
  if (!source && !target) throw absent_group(from);
}

// Repeatable: a hierarchy where it is done already is left alone.
void KernelCgroupTree::rename_all(std::string_view from, std::string_view to) {
  std::vector<HierarchyRoot*> done;
  try {
    for (HierarchyRoot& root : roots_) {
      if (root.version() == 1 && root.group(from)) {
        root.rename(from, to);
        done.push_back(&root);
      } else if (root.version() == 2) {
        root.create(to);
        root.remove(from, Deadline{0s});
      }
    }
  } catch (const Error& error) {
    for (HierarchyRoot* root : done) root->rename(to, from);
    for (HierarchyRoot& root : roots_)
      if (root.version() == 2 && root.group(from)) root.remove(to, Deadline{0s});
    if (error.error_number() == EBUSY)
      throw Error{Code::conflict, "cgroup " + std::string{from} + " has processes in " + roots_.back().hierarchy().mount +
                                      ", where a group cannot be renamed"};
    throw;
  }
}

void KernelCgroupTree::rename(std::string_view from, std::string_view to) {
  check_group_name(from);
  check_group_name(to);
  if (!needs_attach()) throw Error{Code::unsupported, "groups of cgroup v2 cannot be renamed"};
  const std::scoped_lock lock{making_};
  check_rename(from, to);
  rename_all(from, to);
}

bool KernelCgroupTree::remove(std::string_view group) {
  check_group_name(group);
  bool removed = false;
  Failures failures;
  const Deadline deadline{2s};
  for (HierarchyRoot& root : roots_) failures.run([&] { removed = root.remove(group, deadline) || removed; });
  if (failures.busy()) {
    std::string pids;
    for (const pid_t pid : processes_of(roots_, group)) pids += " " + std::to_string(pid);
    failures.raise("cgroup " + std::string{group} + " still has processes" + pids);
  }
  failures.raise("cgroup " + std::string{group});
  const std::scoped_lock lock{making_};
  for (HierarchyRoot& root : roots_) root.drop_own();
  return removed;
}

std::vector<std::string> KernelCgroupTree::groups() {
  std::set<std::string> names;
  for (const HierarchyRoot& root : roots_) {
    const auto own = root.own();
    if (!own) continue;
    for (std::string& name : child_directories(own->get())) names.insert(std::move(name));
  }
  return {names.begin(), names.end()};
}

CgroupPlacement KernelCgroupTree::placement(std::string_view group) {
  check_group_name(group);
  CgroupPlacement out;
  for (const HierarchyRoot& root : roots_) {
    unique_fd directory = present(root.group(group), group);
    if (root.version() == 1) {
      if (is_of_container(group) && is_bounded_from_above(root)) directory = group_inside(directory, "inside");
      out.procs_v1.push_back(present(open_file_at(directory.get(), "cgroup.procs", O_WRONLY), group));
      continue;
    }
    if (!split_words(read_text_at(directory.get(), "cgroup.subtree_control").value_or("")).empty()) directory = group_inside(directory, ".sovirt");
    out.directory_v2 = std::move(directory);
  }
  return out;
}

std::vector<pid_t> KernelCgroupTree::processes(std::string_view group) {
  check_group_name(group);
  const std::set<pid_t> pids = processes_of(roots_, group);
  return {pids.begin(), pids.end()};
}

void KernelCgroupTree::set_frozen(std::string_view group, bool frozen) {
  check_group_name(group);
  const HierarchyRoot* root = controlling("freezer");
  if (!root) throw Error{Code::unsupported, "this host has no cgroup freezer (v1 freezer or v2)"};
  const unique_fd directory = present(root->group(group), group);
  const Deadline deadline{5s};
  if (root->version() == 1)
    set_frozen_v1(directory.get(), frozen, deadline);
  else
    set_frozen_v2(directory.get(), frozen, deadline);
}

void KernelCgroupTree::kill(std::string_view group) {
  check_group_name(group);
  kill_group(roots_, group, Deadline{10s});
}

CgroupUsage KernelCgroupTree::usage(std::string_view group) {
  check_group_name(group);
  CgroupUsage out;
  bool found = false;
  const auto in = [&](std::string_view controller, auto&& read) {
    const HierarchyRoot* root = controlling(controller);
    const auto directory = root ? root->group(group) : std::nullopt;
    found = found || directory;
    if (directory) read(directory->get(), root->version() == 1);
  };
  in("cpuacct", [&](int at, bool v1) {
    out.cpu_ns = v1 ? read_number_at(at, "cpuacct.usage") : read_number_at(at, "cpu.stat", "usage_usec");
    if (!v1 && out.cpu_ns) *out.cpu_ns *= 1000;
  });
  in("memory", [&](int at, bool v1) {
    out.memory_bytes = read_number_at(at, v1 ? "memory.usage_in_bytes" : "memory.current");
    out.memory_max_bytes = read_number_at(at, v1 ? "memory.limit_in_bytes" : "memory.max");
    if (v1 && out.memory_max_bytes >= unlimited_v1) out.memory_max_bytes.reset();
  });
  in("pids", [&](int at, bool) { out.pids = read_number_at(at, "pids.current"); });
  if (!found && !exists(group)) throw absent_group(group);
  return out;
}

LimitsOutcome KernelCgroupTree::set_limits(std::string_view group, const LimitsSpec& limits) {
  check_group_name(group);
  if (!exists(group)) throw absent_group(group);
  return GroupLimits(*shared_, group, limits).apply();
}

void KernelCgroupTree::set_devices(std::string_view group, const std::vector<DeviceRule>& rules) {
  check_group_name(group);
  const HierarchyRoot* root = controlling("devices");
  const bool asked = std::any_of(rules.begin(), rules.end(), [](const DeviceRule& rule) { return rule.asked; });
  if (!root) {
    if (asked) throw Error{Code::unsupported, "this host has neither the devices controller nor cgroup v2: devices cannot be allowed one by one"};
    return;
  }
  const unique_fd directory = present(root->group(group), group);
  if (root->version() == 1) return set_devices_v1(directory.get(), rules);
  try {
    set_devices_v2(directory.get(), rules);
  } catch (const Error& error) {
    if (asked || error.code() != Code::unsupported) throw;
  }
}

std::string KernelCgroupTree::path(std::string_view group) {
  check_group_name(group);
  return (v2() ? v2() : &roots_.front())->path(group);
}

}  // namespace

void check_group_name(std::string_view group) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
  std::size_t depth = 0;
  for (std::string_view rest = group;; rest.remove_prefix(rest.find('/') + 1)) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part.empty() || part.size() > 80 || part.front() == '.' || ++depth > deepest_group || !std::all_of(part.begin(), part.end(), allowed))
      throw Error{Code::bad_name, "not the name of a cgroup: \"" + std::string{group} + "\""};
    if (part.size() == rest.size()) return;
  }
}

std::unique_ptr<CgroupTree> make_cgroup_tree_over(std::shared_ptr<CgroupRoots> roots) {
  return std::make_unique<KernelCgroupTree>(std::move(roots));
}

CgroupPorts make_cgroup_ports(CgroupOptions options, std::vector<CgroupHierarchy> hierarchies) {
  if (options.instance.find_first_of("./") != std::string::npos) throw Error{Code::bad_name, "not an instance: " + options.instance};
  check_group_name(options.instance);
  const auto roots = std::make_shared<CgroupRoots>(options.parent, options.instance, std::move(hierarchies));
  auto tree = make_cgroup_tree_over(roots);
  auto meters = make_cgroup_meters(roots);
  auto members = make_cgroup_members(roots, std::move(options.program));
  return {std::move(tree), std::move(meters), std::move(members), make_cgroup_watch(roots)};
}

CgroupPorts make_cgroup_ports(CgroupOptions options) { return make_cgroup_ports(std::move(options), find_hierarchies()); }

std::unique_ptr<CgroupTree> make_cgroup_tree(CgroupOptions options, std::vector<CgroupHierarchy> hierarchies) {
  return make_cgroup_ports(std::move(options), std::move(hierarchies)).tree;
}

std::unique_ptr<CgroupTree> make_cgroup_tree(CgroupOptions options) {
  return make_cgroup_tree(std::move(options), find_hierarchies());
}

}  // namespace sovirt
