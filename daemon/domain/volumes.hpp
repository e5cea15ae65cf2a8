#pragma once
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/kind_rules.hpp"

namespace sovirt {

// The volume kind: a named directory of the daemon's that outlives the containers it is mounted in.
class Volumes final : public KindRules {
 public:
  Volumes(Catalog& catalog, const KernelPorts& kernel, const Places& places) : catalog_(catalog), kernel_(kernel), places_(places) {}

  Kind kind() const noexcept override { return Kind::volume; }
  void complete(Resource& wanted, const Resource* before) const override;
  Plan plan(const Resource& wanted, const Entry* before) const override;
  Plan plan_removal(const Resource&) const override;
  void after_removal(const Entry&) override;
  Json status(const Entry&) const override;
  ActionTable actions() override;

  std::string path(const std::string& uid) const;   // of the directory that is mounted
  // Of the volume of this name; throws Error{not_found} with the pointer of the field that names it.
  std::string path_of(const std::string& name, const std::string& pointer) const;

 private:
  std::string trash(const std::string& uid) const;
  Catalog& catalog_;
  KernelPorts kernel_;
  const Places& places_;
};

}  // namespace sovirt
