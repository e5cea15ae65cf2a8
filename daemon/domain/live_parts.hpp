#pragma once
#include <vector>

#include "api/container.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/volumes.hpp"

namespace sovirt {

// Mounts, devices and the host name of a container: what they need of the host, and how they change while it runs.
class LiveParts {
 public:
  LiveParts(Catalog& catalog, const KernelPorts& kernel, const Volumes& volumes) : catalog_(catalog), kernel_(kernel), volumes_(volumes) {}

  // With the directories of volumes in place of their names, all of type bind or tmpfs.
  std::vector<MountSpec> resolved(const ContainerSpec&) const;
  std::vector<DeviceNode> nodes(const ContainerSpec&) const;     // throws Error{conflict} for what the host lacks
  // Are the sources there? Only of what `before` has not got already.
  void check(const ContainerSpec& wanted, const ContainerSpec* before) const;
  // From one spec to the other, in a container that runs.
  void plan(Plan&, const Resource& container, const ContainerSpec& before, const ContainerSpec& wanted) const;
  ActionTable actions();

 private:
  void plan_mounts(Plan&, const Resource&, const ContainerSpec& before, const ContainerSpec& wanted) const;
  void plan_devices(Plan&, const Resource&, const ContainerSpec& before, const ContainerSpec& wanted) const;
  static Json hosts_of(const ContainerSpec&);
  void write_hosts(const std::string& uid, const std::string& name, const Json& addresses) const;
  unique_fd root_of(const std::string& uid) const;

  Catalog& catalog_;
  KernelPorts kernel_;
  const Volumes& volumes_;
};

}  // namespace sovirt
