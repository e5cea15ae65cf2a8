#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/container.hpp"
#include "daemon/base/log.hpp"
#include "daemon/domain/bridge_services.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/dhcp_clients.hpp"
#include "daemon/domain/container_links.hpp"
#include "daemon/domain/container_nics.hpp"
#include "daemon/domain/exits.hpp"
#include "daemon/domain/hosts_files.hpp"
#include "daemon/domain/images.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/live_parts.hpp"
#include "daemon/domain/nic_addresses.hpp"
#include "daemon/domain/packet_rules.hpp"
#include "daemon/domain/layers.hpp"

namespace sovirt {

// The container kind: what a spec becomes in directories, groups, links and processes. Plans only; the
// executor runs them with the actions given here.
class Containers final : public KindRules {
 public:
  Containers(Catalog& catalog, const KernelPorts& kernel, const Places& places, Exits& exits, Images& images,
             const Volumes& volumes, PacketRules& packet_rules, Layers& layers, const BridgeServices& bridge_services, const DhcpClients& dhcp_clients,
             const NetnsRules& namespaces)
      : catalog_(catalog), kernel_(kernel), places_(places), exits_(exits), images_(images), parts_(catalog, kernel, volumes),
        packet_rules_(packet_rules), layers_(layers), bridge_services_(bridge_services), dhcp_clients_(dhcp_clients), nics_(catalog, kernel, namespaces, dhcp_clients),
        addresses_(catalog, kernel, bridge_services) {}

  void join_links(ContainerLinks& links) { links_ = &links; }   // before anything runs

  Kind kind() const noexcept override { return Kind::container; }
  // Facts: MACs, the image's digest and directory. Throws Error{not_found} for an unknown image or bridge.
  void complete(Resource& wanted, const Resource* before) const override;
  std::vector<Claim> claims(const Resource&) const override;
  std::vector<std::string> references(const Resource&) const override;
  std::vector<std::string> lock_keys(const Json& spec) const override;
  // Throws Error{conflict} with the fields that cannot change in this state.
  void check(const Resource& wanted, const Entry* before) const override;
  Plan plan(const Resource& wanted, const Entry* before) const override;
  void amend(Commit&, const Resource& wanted, const Entry* before) const override;
  void check_removal(const Entry&) const override;
  Plan plan_removal(const Resource&) const override;
  void after_removal(const Entry&) override;
  Json status(const Entry&) const override;
  ActionTable actions() override;
  bool reconciled() const noexcept override { return true; }   // running ones, and of them the NICs
  std::shared_ptr<void> watch(Notice& notice) override { return nics_.watch(notice); }

  Plan plan_start(const Resource&) const;
  Plan plan_stop(const Resource&, bool force, std::chrono::milliseconds timeout) const;
  Plan plan_collect(const Resource&) const;      // after its init has ended by itself
  Plan plan_freeze(const Resource&, bool frozen) const;

  std::string directory(std::string_view uid) const;
  std::string log_path(std::string_view uid) const;
  // Called with a uid when the mount of its root file system is about to give way to another, or to none.
  // Whoever looks at its files lets go of the mount, since what it is made of is about to change. The caller holds its lock.
  void end_mounts(std::string_view uid) const { if (mount_ends_) mount_ends_(uid); }
  void before_mount_ends(std::function<void(std::string_view uid)> listener) { mount_ends_ = std::move(listener); }

 private:
  void complete_nics(Resource& wanted, const ContainerSpec&) const;
  void check_limits(const Resource& wanted, const Entry* before) const;
  Plan plan_create(const Resource&) const;
  Plan plan_update(const Entry& before, const Resource& wanted) const;
  std::string trash(std::string_view uid) const;
  void prepare(const Resource&, Scratch&) const;
  std::vector<std::string> resolve_command(const ContainerSpec&, int rootfs, const std::string& name) const;
  void shut_down(const Json& args, Scratch&);
  bool ask_to_end(const std::string& uid, pid_t init, Scratch&);
  void collect(const Json& args);
  int shutdown_signal(std::string_view uid, pid_t init) const;
  Json collect_args(const Resource&) const;
  void plan_published(const Resource&, bool runs, Plan&) const;
  Json nics_status(const Entry&) const;
  Json restart_needed(const Entry&) const;
  EntryPtr entry_of(const Json& args) const;
  std::optional<Resolver> resolver_of(const ContainerSpec&) const;
  Action launch_action();
  Action network_action();
  Action run_action();

  Catalog& catalog_;
  KernelPorts kernel_;
  const Places& places_;
  Exits& exits_;
  Images& images_;
  LiveParts parts_;
  std::function<void(std::string_view)> mount_ends_;
  PacketRules& packet_rules_;
  Layers& layers_;
  const BridgeServices& bridge_services_;
  const DhcpClients& dhcp_clients_;
  ContainerNics nics_;
  NicAddresses addresses_;
  ContainerLinks* links_ = nullptr;

  // What a look into a container's network namespace found, for a moment: a look costs more than a whole request.
  struct Seen {
    std::chrono::steady_clock::time_point at;
    std::vector<LinkState> links;
  };
  mutable std::mutex seen_mutex_;
  mutable std::map<std::string, Seen> seen_;
};

}  // namespace sovirt
