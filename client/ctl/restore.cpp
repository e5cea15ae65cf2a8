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

std::string object_of(const Json& row) { return at(row, "/object").is_string() ? text(row, "/object") : ref_of(row); }

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {"OBJECT", [](const Json& r) { return Cell(object_of(r)); }},
      {"RESULT", [](const Json& r) { return state_cell(at(r, "/result")); }},
      {"DURATION", [](const Json& r) { return Cell(time_text(at(r, "/duration"))); }, 0, 5, true},
      {"WAITED FOR", [](const Json& r) { return Cell(text(r, "/waited_for")); }, 12, 4},
      {"REASON", [](const Json& r) {
         const Json& error = at(r, "/error");
         return Cell(error.is_object() ? text(error, "/detail") : error.is_string() ? text(error) : text(r, "/reason"), Style::bad);
       }, 16, 6}};
  return all;
}

void show(Session& session, const Json& report) {
  if (!session.for_people()) return session.show_document(report);
  const Json& finished = at(report, "/finished");
  const std::string state = at(report, "/state").is_string() ? text(report, "/state") : finished == true ? "finished" : "under way";
  session.note("Restore of this boot: " + printable(state) + (at(report, "/duration").is_number() ? " in " + time_text(at(report, "/duration")) : ""));
  session.show_list(report, columns(), "Nothing was to be restored.");
}

// Is there something of this kind ("" for any) that restore has not done with?
bool pending(const Json& report, const std::string& kind) {
  const Json& finished = at(report, "/finished");
  if (kind.empty() && finished.is_boolean()) return !finished.get<bool>();
  if (finished == true) return false;
  const Json& items = at(report, "/items");
  return std::any_of(items.begin(), items.end(), [&](const Json& row) {
    const std::string result = text(row, "/result");
    const bool of_kind = kind.empty() || text(row, "/kind") == kind || object_of(row).starts_with(kind + "/");
    return of_kind && (result == "pending" || result == "running");
  });
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
    if (!pending(report, kind)) {
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
