#include <algorithm>
#include <chrono>
#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

using std::chrono::steady_clock;

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {"OBJECT", [](const Json& r) { return Cell(ref_of(r)); }},
      {"RESULT", [](const Json& r) { return state_cell(at(r, "/result")); }},
      {"DURATION", [](const Json& r) { return Cell(time_text(at(r, "/duration"))); }, 0, 5, true},
      {"WAITED FOR", [](const Json& r) { return Cell(text(r, "/waited_for")); }, 12, 4},
      {"REASON", [](const Json& r) { return Cell(text(r, "/reason"), text(r, "/result") == "failed" ? Style::bad : Style::plain); }, 16, 6}};
  return all;
}

void show(Session& session, const Json& report) {
  if (session.for_people())
    session.note("Restore " + std::string(text(report, "/state") == "done" ? "ended " + moment(at(report, "/finished_at")) : "is under way since " + moment(at(report, "/started_at"))));
  session.show_list(report, columns(), "Nothing was to be restored.");
}

// Bridges come before all containers: the first container in the report says that they are done with.
bool under_way(const Json& report, const std::string& kind) {
  if (text(report, "/state") != "running") return false;
  const Json& items = at(report, "/items");
  return kind != "bridge" || std::none_of(items.begin(), items.end(), [](const Json& item) { return text(item, "/kind") == "container"; });
}

struct WaitOptions {
  std::optional<std::string> timeout, kind;
};

int wait(Session& session, const WaitOptions& options) {
  const auto limit = options.timeout ? duration_of("--timeout", *options.timeout) : std::chrono::hours(24);
  const auto end = steady_clock::now() + limit;
  const std::string kind = options.kind.value_or("");
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(end - steady_clock::now()).count();
    // For one kind the daemon has no wait of its own: look again soon.
    const std::int64_t turn = std::clamp<std::int64_t>(left, 0, kind.empty() ? 30 : 1);
    const Json report = session.get("/v1/restore?wait=" + std::to_string(turn) + "s", "waiting for restore");
    if (!under_way(report, kind)) {
      show(session, report);
      return 0;
    }
    if (steady_clock::now() >= end) {
      show(session, report);
      throw Error(Code::timed_out, "restore has not ended in the time given");
    }
  }
}

}  // namespace

void add_restore(Command& root) {
  Command& restore = root.command("restore", "what came back after the last boot");
  restore.command("show", "show the report of the last boot").example("sovirtctl restore show").runs([](Session& session) {
    show(session, session.get("/v1/restore"));
    return 0;
  });
  auto options = std::make_shared<WaitOptions>();
  Command& waiting = restore.command("wait", "wait until restore has ended").example("sovirtctl restore wait --timeout 60");
  waiting.option("-t,--timeout", "TIME", "give up after this time, with exit status 9", options->timeout);
  waiting.option("--kind", "KIND", "wait only for objects of this kind", options->kind).among({"bridge", "container"});
  waiting.runs([options](Session& session) { return wait(session, *options); });
}

}  // namespace sovirt::ctl
