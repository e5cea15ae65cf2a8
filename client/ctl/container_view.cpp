#include <algorithm>
#include <map>
#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/limit_options.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

namespace {

const std::string none_yet = "No containers. Create one with: sovirtctl container create NAME --image IMAGE --start";

std::string addresses(const Json& container) {
  const Json& held = at(container, "/status/addresses");
  if (held.is_array() && !held.empty()) return text(held);
  std::string asked;  // not running: what it will have
  for (const Json& nic : at(container, "/spec/nics")) asked += (asked.empty() ? "" : ", ") + text(nic, "/addresses");
  return asked;
}

std::string memory(const Json& container) {
  const std::string used = size_text(at(container, "/status/usage/memory_bytes"));
  const std::string most = size_text(at(container, "/spec/limits/memory/max"));
  return used.empty() || most.empty() ? used : used + "/" + most;
}

std::string ended(const Json& exit) {
  if (at(exit, "/signal").is_number()) return "by signal " + text(exit, "/signal");
  return at(exit, "/code").is_number() ? "with status " + text(exit, "/code") : "";
}

std::string command_text(const Json& container) {
  const Json& command = at(container, "/spec/command");
  if (!command.is_array()) return text(container, "/spec/isolation") == "chroot" ? "none" : "the image's init";
  std::string line;
  for (const Json& word : command) line += (line.empty() ? "" : " ") + client::shell_quote(text(word));
  return line;
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      text_column("NAME", "/name"),
      {"STATE", [](const Json& c) { return state_cell(at(c, "/status/state")); }},
      {"ADDRESSES", [](const Json& c) { return Cell(addresses(c), text(c, "/status/state") == "running" ? Style::plain : Style::dim); }, 14, 9},
      {"MEMORY", [](const Json& c) { return Cell(memory(c)); }, 0, 7, true},
      {"CPU", [](const Json& c) { return Cell(time_text(at(c, "/status/usage/cpu_ns"))); }, 0, 4, true},
      {"PIDS", [](const Json& c) { return Cell(text(c, "/status/usage/pids")); }, 0, 3, true},
      {"IMAGE", [](const Json& c) { return Cell(text(c, "/spec/image")); }, 8, 8},
      {"AUTOSTART", [](const Json& c) { return Cell(text(c, "/spec/autostart")); }, 0, 2},
      {"AGE", [](const Json& c) { return Cell(age(at(c, "/created_at"))); }, 0, 5, true},
      {"PID", [](const Json& c) { return Cell(text(c, "/status/pid")); }, 0, 1, true, true},
      {"ISOLATION", [](const Json& c) { return Cell(text(c, "/spec/isolation")); }, 0, 1, false, true},
      {"COMMAND", [](const Json& c) { return Cell(command_text(c)); }, 0, 1, false, true},
      {"LABELS", [](const Json& c) { return Cell(text(c, "/labels")); }, 0, 1, false, true}};
  return all;
}

// Texts upwards; what uses most, or is the youngest, first.
void sort_containers(Json& items, const std::string& column) {
  static const std::map<std::string, const char*> texts{{"name", "/name"}, {"state", "/status/state"}, {"image", "/spec/image"}};
  static const std::map<std::string, const char*> numbers{{"memory", "/status/usage/memory_bytes"}, {"cpu", "/status/usage/cpu_ns"}, {"pids", "/status/usage/pids"}};
  const auto number = [](const Json& item, const char* at_pointer) {
    const Json& value = at(item, at_pointer);
    return value.is_number() ? value.get<double>() : -1;
  };
  std::stable_sort(items.begin(), items.end(), [&](const Json& a, const Json& b) {
    if (const auto found = texts.find(column); found != texts.end()) return text(a, found->second) < text(b, found->second);
    if (const auto found = numbers.find(column); found != numbers.end()) return number(a, found->second) > number(b, found->second);
    return text(a, "/created_at") > text(b, "/created_at");
  });
}

void page_process(Page& page, const Json& container) {
  page.section("Container");
  page.field("image", text(container, "/spec/image") + (at(container, "/status/image_digest").is_string() ? "  " + short_digest(at(container, "/status/image_digest")) : ""));
  page.field("command", command_text(container));
  page.field("isolation", text(container, "/spec/isolation"));
  page.field("hostname", text(container, "/spec/hostname"));
  page.field("pid", text(container, "/status/pid"));
  page.field("started", moment(at(container, "/status/started_at")));
  if (at(container, "/status/exit").is_object()) {
    page.field("ended", ended(at(container, "/status/exit")));
    page.field("ended at", moment(at(container, "/status/exit/at")));
  }
  page.field("reason", {text(container, "/status/reason"), Style::bad});
  page.field("autostart", text(container, "/spec/autostart") + ", priority " + text(container, "/spec/boot_priority"));
  const std::string policy = text(container, "/spec/restart/policy");
  if (!policy.empty() && policy != "no") {
    const std::string most = text(container, "/spec/restart/max_retries");
    page.field("restart", policy + (most == "0" ? "" : ", at most " + most + " times in a row"));
  }
  if (at(container, "/spec/security/privileged") == true) page.field("privileged", {"yes: as powerful as root on the host", Style::warn});
  page.field("stop timeout", text(container, "/spec/stop_timeout") + "s");
  std::string env;
  const Json& variables = at(container, "/spec/env");
  if (variables.is_object())
    for (const auto& [key, value] : variables.items()) env += (env.empty() ? "" : " ") + key + "=" + client::shell_quote(text(value));
  page.field("env", env);
}

void page_nics(Page& page, const Json& container) {
  const Json& nics = at(container, "/status/nics");
  if (!nics.is_array() || nics.empty()) return;
  page.section("Network");
  std::vector<Json> rows(nics.begin(), nics.end());
  const Json& asked = at(container, "/spec/nics");
  for (std::size_t i = 0; i < rows.size() && i < asked.size(); ++i) {
    rows[i]["gateway"] = at(asked[i], "/gateway");
    if (at(rows[i], "/addresses").empty()) rows[i]["addresses"] = at(asked[i], "/addresses");
  }
  page.table({text_column("NAME", "/name"), {"LEADS TO", [](const Json& n) { return Cell(!text(n, "/bridge").empty() ? text(n, "/bridge") : !text(n, "/netns").empty() ? "netns/" + text(n, "/netns") : "nothing"); }}, {"ADDRESSES", [](const Json& n) { return Cell(text(n, "/addresses")); }, 14},
              text_column("GATEWAY", "/gateway"), {"MAC", [](const Json& n) { return Cell(text(n, "/mac")); }, 0, 6}, text_column("UP", "/up"),
              {"HOST END", [](const Json& n) { return Cell(text(n, "/host_name")); }, 0, 4}},
             rows);
}

void page_mounts(Page& page, const Json& container) {
  const Json& mounts = at(container, "/spec/mounts");
  if (!mounts.is_array() || mounts.empty()) return;
  page.section("Mounts");
  page.table({text_column("TARGET", "/target"), text_column("TYPE", "/type"), {"SOURCE", [](const Json& m) { return Cell(text(m, "/source")); }, 14},
              text_column("READ ONLY", "/read_only")},
             std::vector<Json>(mounts.begin(), mounts.end()));
}

void page_limits(Page& page, const Json& container) {
  const Json& spec = at(container, "/spec/limits");
  const Json& usage = at(container, "/status/usage");
  const std::string most = size_text(at(spec, "/memory/max"));
  const std::string used = size_text(at(usage, "/memory_bytes"));
  page.section("Resources");
  page.field("memory", most.empty() ? used : (used.empty() ? "-" : used) + " of " + most);
  page.field("cpu time", time_text(at(usage, "/cpu_ns")));
  page.field("cpu weight", text(spec, "/cpu/weight"));
  const Json& quota = at(spec, "/cpu/max/quota");
  if (quota.is_number()) page.field("cpu limit", time_text(quota) + " in every " + time_text(at(spec, "/cpu/max/period")));
  const std::string pids = text(spec, "/pids/max");
  page.field("processes", text(usage, "/pids") + (pids.empty() ? "" : (text(usage, "/pids").empty() ? "-" : "") + std::string(" of ") + pids));
  page.field("cgroup", text(container, "/status/cgroup"));
  page.field("root", text(container, "/status/rootfs/upper"));
  page_controllers(page, at(container, "/status/controllers"));
}

}  // namespace

void make_container_ls(Command& command) {
  auto filter = std::make_shared<ListFilter>();
  auto sort = std::make_shared<std::optional<std::string>>();
  command.option("-s,--sort", "COLUMN", "by name, state, image, age, or what uses most: memory, cpu, pids", *sort)
      .among({"name", "state", "image", "age", "memory", "cpu", "pids"});
  command.alias("list").example("sovirtctl container ls --state running").example("sovirtctl ls --sort memory");
  add_filter_options(command, *filter, true);
  command.runs([filter, sort](Session& session) {
    Json list = session.get_all(list_target("containers", *filter));
    if (*sort) sort_containers(list.at("items"), **sort);
    session.show_list(list, columns(), none_yet);
    return 0;
  });
}

void make_container_show(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the container", *name, Names::containers);
  command.example("sovirtctl container show sodebian");
  command.runs([name](Session& session) {
    const Json container = session.get(client::path_of({"v1", "containers", *name}));
    session.show_page(container, [&](Page& page) {
      page.title(ref_of(container), state_cell(at(container, "/status/state")));
      page_process(page, container);
      page_nics(page, container);
      page_mounts(page, container);
      page_limits(page, container);
      page.conditions(container);
      page.origin(container);
    });
    return 0;
  });
}

}  // namespace sovirt::ctl
