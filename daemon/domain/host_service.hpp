#pragma once
#include <memory>

#include "daemon/base/log.hpp"
#include "daemon/domain/bridge_services.hpp"
#include "daemon/domain/bridges.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/confirmations.hpp"
#include "daemon/domain/checkpoints.hpp"
#include "daemon/domain/container_files.hpp"
#include "daemon/domain/cgroups.hpp"
#include "daemon/domain/containers.hpp"
#include "daemon/domain/copies.hpp"
#include "daemon/domain/dhcp_clients.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/exits.hpp"
#include "daemon/domain/group_events.hpp"
#include "daemon/domain/guarded_changes.hpp"
#include "daemon/domain/host_cgroups.hpp"
#include "daemon/domain/host_inside.hpp"
#include "daemon/domain/host_terminals.hpp"
#include "daemon/domain/exports.hpp"
#include "daemon/domain/host_network_tools.hpp"
#include "daemon/domain/images.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/keyed_locks.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/lifecycle.hpp"
#include "daemon/domain/link_rules.hpp"
#include "daemon/domain/netns_rules.hpp"
#include "daemon/domain/operations.hpp"
#include "daemon/domain/packet_rules.hpp"
#include "daemon/domain/reconciler.hpp"
#include "daemon/domain/restore.hpp"
#include "daemon/domain/service.hpp"

namespace sovirt {

// The whole domain put together. Made from ports and a store; owns no thread before start().
class HostService final : public Service, private Confirmations, private Checkpoints {
 public:
  HostService(const KernelPorts&, Store&, Log&, Places);
  ~HostService() override;

  // Loads, recovers and begins to watch and restore; on return every request may come.
  void start();
  void stop();   // lets running work end; containers stay as they are

  Json get(Kind, std::string_view name) override;
  Page list(Kind, const ListQuery&) override;
  ChangeResult put(Kind, std::string_view name, const ResourceBody&, const ChangeContext&) override;
  ChangeResult patch(Kind, std::string_view name, const Json& merge_patch, const ChangeContext&) override;
  ChangeResult remove(Kind, std::string_view name, const ChangeContext&) override;
  Json history(Kind, std::string_view name) override;
  ChangeResult revert(Kind, std::string_view name, std::int64_t revision, const ChangeContext&) override;

  ChangeResult set_state(std::string_view container, const StateRequest&, const ChangeContext&) override;
  ChangeResult restart(std::string_view container, std::optional<std::chrono::seconds> timeout, const ChangeContext&) override;
  void kill(std::string_view container, int signal, const ChangeContext&) override;
  ExecResult exec(std::string_view container, const ExecRequest&, const ChangeContext&) override;
  ContainerTerminals& terminals() override { return terminals_; }
  ContainerInside& inside() override { return inside_; }
  Launcher::Log log(std::string_view container, std::uint64_t since, std::size_t most) override;

  ContainerFiles& files() override { return files_; }
  ContainerCopies& copies() override { return copies_; }
  CgroupCalls& cgroups() override { return host_cgroups_; }
  Checkpoints& checkpoints() override { return *this; }
  ContainerArchives& archives() override { return exports_; }

  std::string begin_upload(std::string_view image) override;
  ChangeResult finish_upload(std::string_view image, const std::string& path, const ChangeContext&) override;
  void abandon_upload(const std::string& path) noexcept override;
  Json templates() override;
  NetworkTools& network_tools() override { return network_tools_; }

  Json operation(std::string_view id) override;
  Page operations(const ListQuery&) override;
  Json cancel(std::string_view id) override;
  std::shared_ptr<void> on_operation_end(std::string_view id, std::function<void()>) override;

  std::vector<Event> events(std::int64_t after, const EventFilter&, std::size_t most) override;
  std::int64_t oldest_event() override;
  std::int64_t last_event() override;
  std::shared_ptr<void> on_event(std::function<void()>) override;

  Json host() override;
  Json restore_report() override;
  bool restore_finished() override;
  Json stop_all_containers(const ChangeContext&) override;
  Json start_all_containers(const ChangeContext&) override;
  Confirmations& confirmations() override { return *this; }
  Json health() override;
  void audit(const AuditRow&) override;
  std::vector<AuditRow> audit_rows(std::size_t most) override;

 private:
  void checkpoint(std::string_view container) override;
  using Fill = std::function<void(const Entry* before, Resource& wanted)>;
  ChangeResult write(Kind, std::string_view name, const ChangeContext&, const Fill&);
  ChangeResult change(const EntryPtr& before, Resource wanted, const ChangeContext&);
  ChangeResult build_image(const EntryPtr& before, Resource wanted, const std::string& upload, const ChangeContext&);
  Plan plan_change(const EntryPtr& before, Resource& wanted, Commit&);
  void remove_links_of(const EntryPtr&, const ChangeContext&);
  ChangeResult shown(Kind, std::string_view name, bool created);
  ChangeResult after_state_change(std::string_view container, const Plan&, const ChangeContext&, std::string_view change);
  Json document(const Entry&);
  Json status(const Entry&);
  Json observe(const Entry&);
  void expire_old();
  ChangeResult confirm(std::string_view bridge, const ChangeContext&) override;
  void run_guarded(Job&, const EntryPtr& before, const std::string& name, std::chrono::seconds within);
  void undo_unconfirmed(const std::string& bridge, const Json& before);
  void show_deadline(const std::string& bridge);
  void refresh_services();

  KernelPorts kernel_;
  Store& store_;
  Log& log_;
  Places places_;
  Catalog catalog_;
  NetnsRules namespaces_;
  LinkRules links_;
  HostNetworkTools network_tools_;
  Listeners listeners_;
  KeyedLocks locks_;
  Exits exits_;
  Executor executor_;
  Operations operations_;
  PacketRules packet_rules_;
  BridgeServices bridge_services_;
  DhcpClients dhcp_clients_;
  Bridges bridges_;
  Cgroups cgroups_;
  Images images_;
  Layers layers_;
  Volumes volumes_;
  Containers containers_;
  FileSessions files_;
  Kinds kinds_;
  HostCgroups host_cgroups_;
  HostTerminals terminals_;
  HostInside inside_;
  Restarts restarts_;
  Lifecycle lifecycle_;
  Copies copies_;
  Exports exports_;
  Reconciler reconciler_;
  Restore restore_;
  GuardedChanges guarded_;
  GroupEvents group_events_;
  std::shared_ptr<void> commits_;
};

}  // namespace sovirt
