#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/json.hpp"
#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/launcher.hpp"
#include "daemon/domain/ports/store.hpp"

namespace sovirt {

// One small change of the kernel, as data. `action` names its apply and undo in the ActionTable; both can be
// repeated, so a step that was cut off by a crash is done again or undone without knowing how far it came.
struct Step {
  std::string action;       // "bridge.create"
  Json args;
  std::string description;  // for people: "create bridge brso1"
  bool disruptive = false;  // traffic or processes notice
};

struct Plan {
  std::vector<Step> steps;
  // What a crash in the middle leads to: undone (creating) or completed (tearing down, which cannot be undone).
  bool forward = false;

  void add(std::string action, Json args, std::string description, bool disruptive = false);
  bool empty() const noexcept { return steps.empty(); }
};

Json write_steps(const Plan&);               // for the journal
Plan read_steps(const Json&, bool forward);
Json show_plan(const Plan&, const std::string& object, std::string_view change);  // for ?dry_run

// What the steps of one run hand on to later ones; gone after a crash, so undo never relies on it.
struct Scratch {
  LaunchSpec launch_spec;
  unique_fd rootfs;
  unique_fd netns;
  std::unique_ptr<Launch> launch;
  std::optional<Launched> launched;
  std::optional<ExitStatus> exit;
  std::vector<Event> events;                       // what else happened, committed with it
  std::stop_token stop;                            // of the operation that runs it
  std::function<void(std::uint64_t bytes)> copied; // its progress
};

}  // namespace sovirt
