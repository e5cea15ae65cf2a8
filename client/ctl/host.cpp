#include <algorithm>
#include <chrono>

#include "api/bytes.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/problem_text.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

namespace {

std::vector<Json> rows_of(const Json& list) { return list.is_array() ? std::vector<Json>(list.begin(), list.end()) : std::vector<Json>(); }

// "text (remark)", and nothing where there is no text.
std::string with_remark(const std::string& words, const std::string& remark) {
  return words.empty() || remark.empty() ? words : words + " (" + remark + ")";
}

void page_identity(Page& page, const Json& host) {
  page.title(text(host, "/hostname"), {});
  page.section("Host");
  page.field("distribution", text(host, "/distribution"));
  page.field("kernel", with_remark(text(host, "/kernel"), text(host, "/architecture")));
  page.field("cpus", text(host, "/cpus"));
  page.field("memory", size_text(at(host, "/memory_bytes")));
  const Json& up = at(host, "/uptime_seconds");
  if (up.is_number_integer()) page.field("up for", duration_text(std::chrono::seconds(up.get<std::int64_t>())));
  page.field("boot id", text(host, "/boot_id"));
}

void page_virtualization(Page& page, const Json& virtualization) {
  page.section("Virtualization");
  const Json& hypervisor = at(virtualization, "/hypervisor");
  const std::string type = at(hypervisor, "/type").is_null() ? "" : "type " + text(hypervisor, "/type") + ": ";
  page.field("guest", text(virtualization, "/guest"));
  page.field("hypervisor", with_remark(text(hypervisor, "/vendor"), type + text(hypervisor, "/type_reason")));
  page.field("machine", text(virtualization, "/machine"));
  page.field("container", text(virtualization, "/container"));
  const std::string extensions = text(virtualization, "/cpu_extensions");
  page.field("cpu extensions", extensions.empty() ? "none" : extensions);
  const Json& kvm = at(virtualization, "/kvm_device");
  page.field("/dev/kvm", with_remark(at(kvm, "/usable") == true ? "usable" : at(kvm, "/present") == true ? "not usable" : "absent", text(kvm, "/reason")));
  page.field("clock", with_remark(text(virtualization, "/clocksource/current"), at(virtualization, "/clocksource/paravirtual") == true ? "paravirtual" : ""));
  page.field("emulation", text(virtualization, "/emulation"));
  if (const auto devices = rows_of(at(virtualization, "/paravirtual_devices")); !devices.empty()) {
    page.section("Paravirtual devices");
    page.table({text_column("BUS", "/bus"), text_column("DEVICE", "/device"), text_column("DRIVER", "/driver")}, devices);
  }
}

void page_cgroups(Page& page, const Json& cgroups) {
  page.section("Control groups");
  page.field("layout", text(cgroups, "/layout"));
  page.section("Where they are mounted");
  page.table({text_column("PATH", "/path"), text_column("VERSION", "/version"), {"CONTROLLERS", [](const Json& m) { return Cell(text(m, "/controllers")); }, 12},
              text_column("WRITABLE", "/writable")},
             rows_of(at(cgroups, "/mounts")));
  page.section("Controllers");
  page.table({text_column("NAME", "/name"), text_column("VERSION", "/version"), text_column("ENABLED", "/enabled"), text_column("USED BY SOVIRT", "/used"),
              {"PATH", [](const Json& c) { return Cell(text(c, "/path")); }, 12}},
             rows_of(at(cgroups, "/controllers")));
}

const Json& report_of(const Json& host) { return at(host, "/status").is_object() ? at(host, "/status") : host; }

Cell feature_state(const Json& feature) {
  Cell cell = state_cell(at(feature, "/state"));
  if (cell.style == Style::bad && at(feature, "/required") != true) cell.style = Style::warn;
  return cell;
}

std::ptrdiff_t count_missing(const Json& features, bool required) {
  const auto rows = rows_of(features);
  return std::count_if(rows.begin(), rows.end(), [&](const Json& f) { return text(f, "/state") == "missing" && (at(f, "/required") == true) == required; });
}

int check(Session& session) {
  const Json host = session.get("/v1/host", "looking at the kernel");
  const Json& features = at(report_of(host), "/features");
  const auto required = count_missing(features, true), optional = count_missing(features, false);
  if (session.for_people()) {
    session.print(render_table({text_column("FEATURE", "/name"), {"STATE", feature_state},
                                {"NEEDED FOR", [](const Json& f) { return Cell(text(f, "/needed_for")); }, 24, 8},
                                {"DETAIL", [](const Json& f) { return Cell(text(f, "/detail"), text(f, "/state") == "present" ? Style::dim : Style::plain); }, 16, 5}},
                               rows_of(features), session.out(), session.wide()));
    session.note(required == 0 ? "All that is required is there. Optional and missing: " + std::to_string(optional) + "."
                               : "Required and missing: " + std::to_string(required) + ". Containers do not work without.");
  } else {
    session.show_document(host);
  }
  return static_cast<int>(required == 0 ? Exit::ok : Exit::unsupported);
}

void make_show(Command& command) {
  command.example("sovirtctl host show");
  command.runs([](Session& session) {
    const Json host = session.get("/v1/host", "looking at the kernel");
    const Json& report = report_of(host);
    session.show_page(host, [&](Page& page) {
      page_identity(page, report);
      page_virtualization(page, at(report, "/virtualization"));
      page_cgroups(page, at(report, "/cgroups"));
    });
    session.note("What containers need of this kernel: sovirtctl check");
    return 0;
  });
}

int stop_containers(Session& session) {
  const auto answer = session.change("POST", "/v1/host/actions/stop-containers", nullptr, "stopping all containers");
  if (!answer) return 0;
  session.show_list(answer->body,
                    {text_column("CONTAINER", "/name"), {"RESULT", [](const Json& r) { return state_cell(at(r, "/result")); }},
                     {"REASON", [](const Json& r) { return Cell(text(r, "/reason")); }, 16}},
                    "No container was running.");
  const auto rows = rows_of(at(answer->body, "/items"));
  return std::all_of(rows.begin(), rows.end(), [](const Json& r) { return text(r, "/result") == "stopped"; }) ? 0 : static_cast<int>(Exit::failed);
}

int start_containers(Session& session) {
  const auto answer = session.change("POST", "/v1/host/actions/start-containers", nullptr, "starting the containers that are to run");
  if (!answer) return 0;
  bool failed = false;
  for (const Json& row : rows_of(at(answer->body, "/items"))) {
    // The report tells of bridges and all else too, which are not what was asked for.
    if (text(row, "/kind") != "container" || text(row, "/result") != "failed") continue;
    failed = true;
    session.note(ref_of(row) + ": " + text(row, "/reason"));
  }
  session.note("See the report: sovirtctl restore show");
  return failed ? static_cast<int>(Exit::failed) : 0;
}

}  // namespace

void make_host_check(Command& command) {
  command.about("Exits with 7 if something is missing that containers cannot do without.");
  command.example("sovirtctl check");
  command.runs(check);
}

void add_host(Command& root) {
  Command& host = root.command("host", "the host itself: its kernel, virtualization and cgroups");
  make_show(host.command("show", "show what the host is and has"));
  make_host_check(host.command("check", "list what containers need of the kernel, and what does not work without it"));
  host.command("stop-containers", "stop all containers in reverse order and note who ran, as at a shutdown")
      .example("sovirtctl host stop-containers")
      .runs(stop_containers);
  host.command("start-containers", "start again what stop-containers stopped, and what starts always; waits for the restore of a boot")
      .example("sovirtctl host start-containers")
      .runs(start_containers);
}

}  // namespace sovirt::ctl
