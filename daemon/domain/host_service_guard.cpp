// Changes that are undone unless they are confirmed, and what follows from commits.
#include <unistd.h>

#include "api/reader.hpp"
#include "daemon/domain/host_service.hpp"
#include "daemon/domain/ids.hpp"

namespace sovirt {

void HostService::run_guarded(Job& job, const EntryPtr& before, const std::string& name, std::chrono::seconds within) {
  Json document;
  if (before) {
    document = before->resource.spec;
    document["labels"] = before->resource.labels;
  }
  const bool waited = guarded_.deadline(name).has_value();
  guarded_.arm(name, document, within);
  try {
    executor_.run(job);
  } catch (...) {
    if (!waited) guarded_.disarm(name);
    throw;
  }
}

void HostService::show_deadline(const std::string& bridge) {
  const EntryPtr entry = catalog_.find(Kind::bridge, bridge);
  if (!entry) return;
  if (const auto deadline = guarded_.deadline(bridge))
    catalog_.set_condition(entry->resource.uid, {"Unconfirmed", true, "WaitsForConfirmation",
                           "the last change is undone at " + rfc3339(*deadline) + " unless it is confirmed", {}});
  else
    catalog_.clear_condition(entry->resource.uid, "Unconfirmed");
}

ChangeResult HostService::confirm(std::string_view bridge, const ChangeContext& context) {
  const EntryPtr entry = catalog_.need(Kind::bridge, bridge);
  const std::string ref = object_ref(Kind::bridge, bridge);
  if (!guarded_.deadline(std::string{bridge})) throw Error{Code::conflict, "no change of " + ref + " waits for a confirmation"};
  if (context.dry_run) return {show_plan({}, ref, "confirm"), 0, false, ""};
  if (!guarded_.confirm(std::string{bridge})) throw Error{Code::conflict, "the change of " + ref + " is being undone: the time was over"};
  show_deadline(std::string{bridge});
  return shown(Kind::bridge, bridge, false);
}

void HostService::undo_unconfirmed(const std::string& bridge, const Json& before) {
  ChangeContext context;
  context.actor = {0, ::getpid(), "unconfirmed"};
  const EntryPtr entry = catalog_.find(Kind::bridge, bridge);
  if (!before.is_null()) {
    put(Kind::bridge, bridge, split_body(before), context);
  } else if (entry) {
    try {
      remove(Kind::bridge, bridge, context);
    } catch (const Error& error) {
      if (error.code() != Code::in_use) throw;
      // Something has been plugged into it meanwhile: it stays, without what it took from the host.
      patch(Kind::bridge, bridge, {{"ports", nullptr}, {"address_from", nullptr}}, context);
    }
  }
  if (entry) catalog_.clear_condition(entry->resource.uid, "Unconfirmed");
}

// Containers that came, went or changed: their bridges' name services are to know. Called behind every commit.
void HostService::refresh_services() {
  for (const EntryPtr& bridge : catalog_.all(Kind::bridge))
    if (BridgeServices::has_service(bridge->resource)) reconciler_.look_at(bridge->resource.uid);
}

}  // namespace sovirt
