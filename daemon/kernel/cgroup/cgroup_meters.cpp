#include "daemon/kernel/cgroup/cgroup_meters.hpp"

#include <algorithm>
#include <cerrno>

#include <nlohmann/json.hpp>

#include "api/cpu_list.hpp"
#include "daemon/kernel/cgroup/cgroup_stats.hpp"
#include "daemon/kernel/cgroup/freezer.hpp"
#include "daemon/kernel/cgroup/kernel_cgroup_tree.hpp"
#include "daemon/kernel/cgroup/limit_report.hpp"
#include "daemon/kernel/cgroup/watched_group.hpp"

namespace sovirt {
namespace {

class KernelCgroupMeters final : public CgroupMeters {
 public:
  explicit KernelCgroupMeters(std::shared_ptr<CgroupRoots> roots) : roots_(std::move(roots)) {}

  void check(const LimitsSpec& limits) override;
  GroupState compare(std::string_view group, const LimitsSpec& limits) override;
  bool frozen(std::string_view group) override;
  Json controllers(std::string_view group, const LimitsSpec& asked, bool everything) override;
  Json stats(std::string_view group) override;

 private:
  void check_list(const std::optional<std::string>& asked, const std::string& what) const;
  void check_pressure(std::string_view group, const LimitsSpec&) const;
  void check_in(std::string_view group, const LimitsSpec&) const;
  std::optional<std::string> any_group() const;

  std::shared_ptr<CgroupRoots> roots_;
};

// The files of a controller are in groups only, not at the top of a hierarchy.
std::optional<std::string> KernelCgroupMeters::any_group() const {
  for (const HierarchyRoot& root : roots_->all) {
    const auto own = root.own();
    const auto names = own ? child_directories(own->get()) : std::vector<std::string>{};
    for (const std::string& name : names)
      if (std::all_of(roots_->all.begin(), roots_->all.end(), [&](const HierarchyRoot& other) { return other.group(name).has_value(); }))
        return name;
  }
  return std::nullopt;
}

void KernelCgroupMeters::check_list(const std::optional<std::string>& asked, const std::string& what) const {
  const HierarchyRoot* root = asked ? roots_->controlling("cpuset") : nullptr;
  const auto above = root ? root->parent() : std::nullopt;
  if (!above) return;
  const std::string file = root->version() == 1 ? "cpuset.effective_" + what : "cpuset." + what + ".effective";
  std::string text = read_text_at(above->get(), file.c_str()).value_or("");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const auto there = parse_cpu_list(text), wanted = parse_cpu_list(*asked);
  if (!there || !wanted || std::includes(there->begin(), there->end(), wanted->begin(), wanted->end())) return;
  const std::string detail = "this host has " + what + " " + text + ", not all of " + *asked;
  throw Error{Code::invalid, detail}.with_fields({{"/cpuset/" + what, "range", detail}});
}

// Only arming one tells: PSI may be left out, switched off at boot or in the group, and from a process without
// CAP_SYS_RESOURCE the kernel takes windows of whole two seconds only.
void KernelCgroupMeters::check_pressure(std::string_view group, const LimitsSpec& limits) const {
  for (std::size_t i = 0; i < limits.pressure.size(); ++i) {
    const auto at = roots_->v2() ? roots_->v2()->group(group) : std::nullopt;
    errno = 0;
    if (at && arm_pressure(at->get(), limits.pressure[i])) continue;
    const int number = errno;
    const std::string pointer = "/pressure/" + std::to_string(i), file = std::string{resource_text(limits.pressure[i].resource)} + ".pressure";
    if (at && (number == EINVAL || number == EPERM)) {
      const std::string detail = "the kernel does not take this trigger of " + file;
      throw Error{Code::invalid, detail}
          .with_fields({{pointer + "/window", "range", detail}})
          .with_hint("a daemon without CAP_SYS_RESOURCE may ask for windows of 2, 4, 6, 8 or 10 s only");
    }
    const std::string detail = "this host has no pressure of groups (" + file + " of cgroup v2)";
    throw Error{Code::unsupported, detail}
        .with_fields({{pointer, "unsupported", detail}})
        .with_hint("a kernel with CONFIG_PSI, and psi=1 on its command line where it is off by default");
  }
}

void KernelCgroupMeters::check_in(std::string_view group, const LimitsSpec& limits) const {
  GroupLimits(*roots_, group, limits).check();
  check_pressure(group, limits);
}

void KernelCgroupMeters::check(const LimitsSpec& limits) {
  if (limits.empty()) return;
  check_list(limits.cpuset_cpus, "cpus");
  check_list(limits.cpuset_mems, "mems");
  if (const auto group = any_group()) return check_in(*group, limits);
  const auto tree = make_cgroup_tree_over(roots_);
  constexpr const char* probe = "probe.limits";
  tree->create(probe);
  try {
    check_in(probe, limits);
  } catch (...) {
    tree->remove(probe);
    throw;
  }
  tree->remove(probe);
}

GroupState KernelCgroupMeters::compare(std::string_view group, const LimitsSpec& limits) {
  check_group_name(group);
  const auto& all = roots_->all;
  const bool everywhere = std::all_of(all.begin(), all.end(), [&](const HierarchyRoot& root) { return root.group(group).has_value(); });
  if (!everywhere) return GroupState::absent;
  return GroupLimits(*roots_, group, limits).hold() ? GroupState::same : GroupState::differs;
}

bool KernelCgroupMeters::frozen(std::string_view group) {
  check_group_name(group);
  const HierarchyRoot* root = roots_->controlling("freezer");
  return root && is_frozen(present(root->group(group), group).get());
}

Json KernelCgroupMeters::controllers(std::string_view group, const LimitsSpec& asked, bool everything) {
  check_group_name(group);
  return report_limits(*roots_, group, asked, everything);
}

Json KernelCgroupMeters::stats(std::string_view group) {
  check_group_name(group);
  return read_stats(*roots_, group);
}

}  // namespace

std::unique_ptr<CgroupMeters> make_cgroup_meters(std::shared_ptr<CgroupRoots> roots) {
  return std::make_unique<KernelCgroupMeters>(std::move(roots));
}

}  // namespace sovirt
