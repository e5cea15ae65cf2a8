#pragma once
#include <string>

#include "daemon/domain/catalog.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/kind_rules.hpp"

namespace sovirt {

// The cgroup kind. Its directories bear its name, in that of its parent if it has one, so that what the lab does by hand
// can be looked up by hand; the names of containers' groups have a dot in them, which no object's name has.
class Cgroups final : public KindRules {
 public:
  Cgroups(Catalog& catalog, const KernelPorts& kernel) : catalog_(catalog), kernel_(kernel) {}

  Kind kind() const noexcept override { return Kind::cgroup; }
  void complete(Resource& wanted, const Resource* before) const override;
  std::vector<std::string> references(const Resource&) const override;
  std::vector<std::string> lock_keys(const Json& spec) const override;
  void check(const Resource& wanted, const Entry* before) const override;
  Plan plan(const Resource& wanted, const Entry* before) const override;
  void check_removal(const Entry&) const override;
  Plan plan_removal(const Resource&) const override;
  Json status(const Entry&) const override;
  ActionTable actions() override;
  bool reconciled() const noexcept override { return true; }
  Policy policy(const Resource&) const override;

  // Its group in the CgroupTree, "parent/name".
  std::string group(const Resource&) const;
  // In it, and not in those that lie in it.
  std::vector<pid_t> processes(const Resource&) const;

 private:
  Catalog& catalog_;
  KernelPorts kernel_;
};

// Of a top-level cgroup. The launcher's own groups keep theirs.
std::string cgroup_directory(std::string_view name);

}  // namespace sovirt
