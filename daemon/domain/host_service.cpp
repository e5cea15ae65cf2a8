#include "daemon/domain/host_service.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "daemon/domain/ids.hpp"
#include "daemon/domain/listing.hpp"
#include "daemon/domain/recovery.hpp"

namespace sovirt {
namespace {

constexpr std::chrono::hours kept{24 * 7};          // operations, events, audit rows
constexpr std::size_t exec_output_limit = 1 << 20;  // bytes of each stream in the JSON form

}  // namespace

HostService::HostService(const KernelPorts& kernel, Store& store, Log& log, Places places)
    : kernel_(kernel), store_(store), log_(log), places_(std::move(places)),
      catalog_([this](const Resource& resource) { return kinds_.of(resource.kind).claims(resource); }),
      namespaces_(catalog_, kernel_.netns), links_(catalog_, namespaces_, kernel_.netns, kernel_.network),
      network_tools_(catalog_, namespaces_, kernel_),
      executor_(store_, catalog_, log_, listeners_), operations_(store_, log_),
      packet_rules_(catalog_, kernel_.filter), bridge_services_(catalog_, kernel_.helpers),
      dhcp_clients_(catalog_, kernel_.helpers, kernel_.network), bridges_(catalog_, kernel_, packet_rules_, bridge_services_, dhcp_clients_),
      cgroups_(catalog_, kernel_),
      images_(catalog_, kernel_, places_, executor_, locks_, operations_),
      layers_(catalog_, kernel_, places_), volumes_(catalog_, kernel_, places_),
      containers_(catalog_, kernel_, places_, exits_, images_, volumes_, packet_rules_, layers_, bridge_services_, dhcp_clients_, namespaces_),
      files_(catalog_, locks_, kernel_, places_),
      kinds_({&namespaces_, &bridges_, &links_, &images_, &cgroups_, &volumes_, &containers_}),
      host_cgroups_(catalog_, executor_, locks_, cgroups_, kernel_),
      terminals_(catalog_, kernel_, containers_), inside_(catalog_, kernel_, files_),
      lifecycle_(catalog_, executor_, locks_, containers_, restarts_, kernel_, places_),
      copies_({catalog_, executor_, locks_, operations_, containers_, images_, layers_, kernel_, places_, [this](const Entry& entry) { return document(entry); }}),
      exports_({*this, catalog_, copies_, images_, operations_, kernel_}),
      reconciler_({catalog_, executor_, locks_, kinds_, lifecycle_, exits_, kernel_, log_}),
      restore_(catalog_, kinds_, reconciler_, lifecycle_, store_, log_, places_),
      guarded_(store_, log_, [this](const std::string& bridge, const Json& before) { undo_unconfirmed(bridge, before); }),
      group_events_(catalog_, executor_, cgroups_, kernel_, log_) {
  images_.publish_with([this](const std::string& container, const Actor& actor, std::stop_token stop, const auto& progress) {
    return exports_.publish(container, actor, stop, progress);
  });
  containers_.join_links(links_);
  containers_.before_mount_ends([this](std::string_view uid) { files_.end(uid); });
  for (KindRules* rules : kinds_.all()) executor_.add_actions(rules->actions());
  executor_.add_actions(packet_rules_.actions());
  executor_.add_actions(copies_.actions());
  executor_.add_actions(bridge_services_.actions());
  executor_.add_actions(dhcp_clients_.actions());
}

HostService::~HostService() { stop(); }

void HostService::start() {
  const StoredState state = store_.load();
  catalog_.load(state);
  if (!store_.healthy()) {
    // What cannot be recorded must not be changed: containers go on, and every write says why not.
    log_.error("the database is damaged: answering reads only");
    return;
  }
  operations_.load(state.operations);
  Recovery recovery(catalog_, executor_, locks_, lifecycle_, images_, layers_, kernel_, places_, log_);
  reconciler_.on_ready([this](const std::string& uid) {
    restore_.ready(uid);
    const EntryPtr entry = catalog_.find_uid(uid);
    if (entry && entry->resource.kind == Kind::cgroup) group_events_.attend(uid);
  });
  reconciler_.start();
  const bool new_boot = recovery.run(state.journal, store_);
  packet_rules_.reset();
  bridge_services_.collect_orphans();
  dhcp_clients_.collect_orphans();
  commits_ = listeners_.add([this] { refresh_services(); });
  for (KindRules* rules : kinds_.all()) {
    try {
      rules->collect_orphans(places_.instance);
    } catch (const std::exception& error) {
      log_.warning("cannot remove what nobody owns", {{"kind", std::string{kind_text(rules->kind())}}, {"detail", error.what()}});
    }
  }
  expire_old();
  const Actor policy{0, ::getpid(), "restart-policy"};
  restarts_.start([this, policy](const std::string& uid, const Aftermath& aftermath) {
    try {
      lifecycle_.start_again(uid, aftermath, policy);
    } catch (const std::exception& error) {
      log_.error("cannot start a container again", {{"uid", uid}, {"detail", error.what()}});
    }
  });
  if (!new_boot) lifecycle_.resume_restarts(policy);
  restore_.start(new_boot);
  group_events_.start(reconciler_);
  guarded_.start();
  for (const EntryPtr& bridge : catalog_.all(Kind::bridge)) show_deadline(bridge->resource.name);
}

void HostService::stop() {
  guarded_.stop();
  group_events_.stop();
  commits_.reset();
  operations_.stop();
  restore_.stop();
  restarts_.stop();
  reconciler_.stop();
}

void HostService::expire_old() {
  const Time limit = now() - kept;
  store_.expire(limit);
  operations_.forget(limit);
}

// A kernel that cannot be read is something to show, not an error of the request: the answer to a write that has
// been committed must not be one.
Json HostService::observe(const Entry& entry) {
  try {
    return kinds_.of(entry.resource.kind).status(entry);
  } catch (const Error& error) {
    return {{"state", "unknown"}, {"reason", error.detail()}};
  }
}

Json HostService::status(const Entry& entry) {
  Json status = observe(entry);
  Json conditions = status.contains("conditions") ? std::move(status["conditions"]) : Json::array();
  for (const Condition& c : catalog_.conditions(entry.resource.uid)) {
    conditions.push_back({{"type", c.type}, {"status", c.status}, {"reason", c.reason}, {"message", c.message}, {"since", rfc3339(c.since)}});
    if (c.type == "Drifted" && c.status && status.at("state") == "ready") status["state"] = "drifted";
  }
  status["conditions"] = std::move(conditions);
  return status;
}

Json HostService::document(const Entry& entry) { return write_resource(entry.resource, status(entry)); }

Json HostService::get(Kind kind, std::string_view name) { return document(*catalog_.need(kind, name)); }

Page HostService::list(Kind kind, const ListQuery& query) {
  catalog_.check_readable();
  return list_page(query, catalog_.last_event(), [&](const std::string& after) -> std::optional<Listed> {
    const auto next = catalog_.after(kind, after, 1);
    if (next.empty()) return std::nullopt;
    const EntryPtr entry = next.front();
    return Listed{entry->resource.name, &entry->resource.labels, [this, entry] { return document(*entry); }, entry};
  });
}

ChangeResult HostService::shown(Kind kind, std::string_view name, bool created) {
  const EntryPtr entry = catalog_.need(kind, name);
  return {document(*entry), entry->resource.revision, created, ""};
}

Json HostService::history(Kind kind, std::string_view name) {
  const EntryPtr entry = catalog_.need(kind, name);
  Json items = Json::array();
  for (const HistoryRow& row : store_.history(entry->resource.uid))
    items.push_back({{"revision", row.revision}, {"at", rfc3339(row.at)}, {"spec", row.spec}, {"labels", row.labels},
                     {"actor", {{"uid", row.actor.uid}, {"pid", row.actor.pid}}}, {"request_id", row.actor.request_id}});
  return {{"items", std::move(items)}, {"next", nullptr}, {"seq", catalog_.last_event()}};
}

ChangeResult HostService::after_state_change(std::string_view name, const Plan& plan, const ChangeContext& context,
                                             std::string_view change) {
  if (context.dry_run) return {show_plan(plan, object_ref(Kind::container, name), change), 0, false, ""};
  return shown(Kind::container, name, false);
}

ChangeResult HostService::set_state(std::string_view name, const StateRequest& request, const ChangeContext& context) {
  return after_state_change(name, lifecycle_.set_state(name, request, context), context, "state");
}

ChangeResult HostService::restart(std::string_view name, std::optional<std::chrono::seconds> timeout,
                                  const ChangeContext& context) {
  return after_state_change(name, lifecycle_.restart(name, timeout, context), context, "restart");
}

void HostService::kill(std::string_view name, int signal, const ChangeContext&) {
  const EntryPtr entry = catalog_.need(Kind::container, name);
  if (!entry->runtime.alive())
    throw Error{Code::conflict, object_ref(Kind::container, name) + " is " + entry->runtime.state}.with_hint("start it first");
  kernel_.launcher.signal(entry->resource.uid, signal);
}

void HostService::checkpoint(std::string_view name) {
  const EntryPtr entry = catalog_.need(Kind::container, name);
  if (!entry->runtime.alive())
    throw Error{Code::conflict, object_ref(Kind::container, name) + " is " + entry->runtime.state}.with_hint("start it first");
  const std::string obstacle = kernel_.live.checkpoint_obstacle();
  throw Error{Code::unsupported, "no checkpoint of " + object_ref(Kind::container, name) + ": " +
                                     (obstacle.empty() ? "sovirt drives CRIU on no kernel yet, though `criu check` passes" : obstacle)}
      .with_hint("freeze keeps its processes in memory, a snapshot its files on disk");
}

ExecResult HostService::exec(std::string_view name, const ExecRequest& request, const ChangeContext&) {
  return kernel_.launcher.exec(need_running(catalog_, name)->resource.uid, request, exec_output_limit);
}

Launcher::Log HostService::log(std::string_view name, std::uint64_t since, std::size_t most) {
  const EntryPtr entry = catalog_.need(Kind::container, name);
  return kernel_.launcher.console_log(containers_.log_path(entry->resource.uid), since, most);
}

std::string HostService::begin_upload(std::string_view image) {
  check_name(Kind::image, image);
  const std::string folder = places_.state_dir + "/uploads";
  std::filesystem::create_directories(folder);
  std::string path = folder + "/" + random_id(16);
  const unique_fd made{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!made) throw errno_error("open", path);
  return path;
}

void HostService::abandon_upload(const std::string& path) noexcept {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

Json HostService::templates() { return images_.templates(); }
Json HostService::operation(std::string_view id) { return write_operation(operations_.get(id)); }
Json HostService::cancel(std::string_view id) { return write_operation(operations_.cancel(id)); }
std::shared_ptr<void> HostService::on_operation_end(std::string_view id, std::function<void()> listener) {
  return operations_.on_end(id, std::move(listener));
}

Page HostService::operations(const ListQuery& query) {
  // Newest first; the cursor is the id of the last one shown.
  const auto rows = operations_.all();
  return list_page(query, catalog_.last_event(), [&](const std::string& after) -> std::optional<Listed> {
    auto row = rows.begin();
    if (!after.empty()) {
      row = std::find_if(rows.begin(), rows.end(), [&](const OperationRow& r) { return r.id == after; });
      if (row != rows.end()) ++row;
    }
    if (row == rows.end()) return std::nullopt;
    return Listed{row->id, nullptr, [copy = *row] { return write_operation(copy); }, nullptr};
  });
}

std::vector<Event> HostService::events(std::int64_t after, const EventFilter& filter, std::size_t most) {
  std::vector<Event> found;
  constexpr std::size_t block = 500;
  while (found.size() < most) {
    const auto some = store_.events(after, block);
    for (const Event& event : some) {
      const bool wanted = (filter.kind.empty() || filter.kind == event.kind) && (filter.name.empty() || filter.name == event.name) &&
                          (filter.type.empty() || filter.type == event.type);
      if (wanted && found.size() < most) found.push_back(event);
    }
    if (some.size() < block) break;
    after = some.back().id;
  }
  return found;
}

std::int64_t HostService::oldest_event() { return store_.oldest_event(); }
std::int64_t HostService::last_event() { return catalog_.last_event(); }
std::shared_ptr<void> HostService::on_event(std::function<void()> listener) { return listeners_.add(std::move(listener)); }

Json HostService::host() { return kernel_.host.report(); }
Json HostService::restore_report() { return restore_.report(); }
// A damaged database restores nothing: nobody should wait for it.
bool HostService::restore_finished() { return !store_.healthy() || restore_.finished(); }

Json HostService::stop_all_containers(const ChangeContext& context) {
  std::vector<EntryPtr> running;
  for (const EntryPtr& entry : catalog_.all(Kind::container))
    if (entry->runtime.alive()) running.push_back(entry);
  std::stable_sort(running.begin(), running.end(), [](const EntryPtr& a, const EntryPtr& b) {
    return a->resource.spec.at("boot_priority").get<int>() > b->resource.spec.at("boot_priority").get<int>();
  });
  if (context.dry_run) {
    Json items = Json::array();
    for (const EntryPtr& entry : running) items.push_back({{"name", entry->resource.name}, {"result", "would stop"}, {"reason", nullptr}});
    return {{"items", std::move(items)}};
  }
  return stop_in_order(running, [&](const EntryPtr& entry) {
    lifecycle_.stop_for_shutdown(entry->resource.name, context.actor);
  });
}

Json HostService::start_all_containers(const ChangeContext& context) {
  if (!context.dry_run) restore_.start_containers();
  return restore_.report();
}

Json HostService::health() {
  return {{"status", store_.healthy() ? "ok" : "degraded"}, {"version", SOVIRT_VERSION}, {"restore", restore_.finished() ? "done" : "running"}};
}

void HostService::audit(const AuditRow& row) { store_.audit(row); }
std::vector<AuditRow> HostService::audit_rows(std::size_t most) { return store_.audit_rows(most); }

}  // namespace sovirt
