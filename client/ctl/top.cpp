// sovirtctl top: two looks at what all groups use, and the difference between them.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>

#include "api/timestamp.hpp"
#include "client/ctl/interrupts.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

struct TopOptions {
  std::optional<std::string> interval, count, sort;
};

std::string key_of(const Json& item) { return text(item, "/kind") + "/" + text(item, "/name"); }

// A second; null where one of the two has no number or the counter began anew.
Json rate(const Json& now, const Json& before, const char* pointer, double seconds) {
  const Json &a = at(now, pointer), &b = at(before, pointer);
  if (!a.is_number() || !b.is_number() || a.get<double>() < b.get<double>() || seconds <= 0) return nullptr;
  return (a.get<double>() - b.get<double>()) / seconds;
}

Json sum(const Json& a, const Json& b) {
  if (!a.is_number()) return b;
  return b.is_number() ? Json(a.get<double>() + b.get<double>()) : a;
}

double seconds_between(const Json& before, const Json& now) {
  const auto from = parse_rfc3339(text(before, "/at")), to = parse_rfc3339(text(now, "/at"));
  return from && to ? std::chrono::duration<double>(*to - *from).count() : 0;
}

std::vector<Json> rows_of(const Json& before, const Json& now) {
  std::map<std::string, const Json*> known;
  for (const Json& item : at(before, "/items")) known[key_of(item)] = &item;
  const double seconds = seconds_between(before, now);
  std::vector<Json> rows;
  double busy = 0;
  for (const Json& item : at(now, "/items")) {
    const auto found = known.find(key_of(item));
    const Json& old = found == known.end() ? item : *found->second;
    const Json cpu = rate(item, old, "/stats/cpu/usage_ns", seconds * 1e7);   // per cent of one CPU
    if (cpu.is_number()) busy += cpu.get<double>();
    rows.push_back({{"kind", item.at("kind")}, {"name", item.at("name")}, {"ref", key_of(item)}, {"cpu_percent", cpu},
                    {"memory", at(item, "/stats/memory/bytes")}, {"memory_max", at(item, "/stats/memory/max_bytes")}, {"pids", at(item, "/stats/pids/current")},
                    {"io", sum(rate(item, old, "/stats/io/read_bytes", seconds), rate(item, old, "/stats/io/write_bytes", seconds))},
                    {"network", sum(rate(item, old, "/stats/network/receive_bytes", seconds), rate(item, old, "/stats/network/transmit_bytes", seconds))}});
  }
  for (Json& row : rows) row["share_percent"] = row["cpu_percent"].is_number() && busy > 0 ? Json(row["cpu_percent"].get<double>() / busy * 100) : Json();
  return rows;
}

void sort_rows(std::vector<Json>& rows, const std::string& key) {
  const std::string field = key == "cpu" ? "cpu_percent" : key == "name" ? "ref" : key;
  std::stable_sort(rows.begin(), rows.end(), [&](const Json& a, const Json& b) {
    if (field == "ref") return text(a, "/ref") < text(b, "/ref");
    const double x = a.at(field).is_number() ? a.at(field).get<double>() : -1, y = b.at(field).is_number() ? b.at(field).get<double>() : -1;
    return x > y;
  });
}

std::string percent(const Json& value) {
  if (!value.is_number()) return "-";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", value.get<double>());
  return buffer;
}

std::string per_second(const Json& value) { return value.is_number() ? size_text(Json(static_cast<std::uint64_t>(value.get<double>()))) + "/s" : "-"; }

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      text_column("NAME", "/ref"),
      {"CPU%", [](const Json& r) { return Cell(percent(r.at("cpu_percent"))); }, 0, 10, true},
      {"SHARE%", [](const Json& r) { return Cell(percent(r.at("share_percent"))); }, 0, 9, true},
      {"MEMORY", [](const Json& r) {
         const std::string most = size_text(r.at("memory_max"));
         return Cell(size_text(r.at("memory")) + (most.empty() ? "" : "/" + most));
       }, 0, 8, true},
      {"PIDS", [](const Json& r) { return Cell(text(r.at("pids"))); }, 0, 7, true},
      {"IO", [](const Json& r) { return Cell(per_second(r.at("io"))); }, 0, 6, true},
      {"NETWORK", [](const Json& r) { return Cell(per_second(r.at("network"))); }, 0, 5, true}};
  return all;
}

void show(Session& session, std::vector<Json> rows, bool redraw) {
  if (!session.for_people()) return session.show_document({{"items", rows}});
  if (redraw) session.print("\x1b[H\x1b[J");   // from the top, over what was there
  session.print(rows.empty() ? "Nothing runs.\n" : render_table(columns(), rows, session.out(), session.wide()));
  std::fflush(stdout);
}

// False: somebody has had enough.
bool wait(const Interrupts& interrupts, std::chrono::nanoseconds length) {
  pollfd waiting{interrupts.fd(), POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(length).count())) == 0;
}

int top(Session& session, const TopOptions& options) {
  const auto interval = options.interval ? duration_of("--interval", *options.interval) : std::chrono::nanoseconds{std::chrono::seconds{2}};
  if (interval < std::chrono::milliseconds{100} || interval > std::chrono::hours{1}) throw UsageError("--interval: from 100ms to 1h");
  const bool live = session.out().is_terminal && session.for_people();
  const std::int64_t count = options.count ? integer_of("--count", *options.count) : live ? INT64_MAX : 1;
  if (count < 1) throw UsageError("--count: at least 1");
  const Interrupts interrupts;
  Json before = session.get("/v1/stats");
  for (std::int64_t shown = 0; shown < count; ++shown) {
    if (!wait(interrupts, interval)) return 0;
    Json now = session.get("/v1/stats");
    auto rows = rows_of(before, now);
    sort_rows(rows, options.sort.value_or("cpu"));
    show(session, std::move(rows), live);
    before = std::move(now);
  }
  return 0;
}

}  // namespace

void add_top(Command& root) {
  auto options = std::make_shared<TopOptions>();
  Command& command = root.command("top", "what containers and cgroups use now");
  command.option("--interval", "TIME", "time between two looks (default 2s)", options->interval);
  command.option("-n,--count", "NUMBER", "how many times (default: until Ctrl-C on a terminal, once elsewhere)", options->count);
  command.option("--sort", "KEY", "cpu (default), memory, pids, io, network or name", options->sort).among({"cpu", "memory", "pids", "io", "network", "name"});
  command.about("CPU% is of one CPU, SHARE% of what all of them use together; rates are over the time between two looks. A container that lies in a cgroup, or a cgroup in another, counts in both.");
  command.example("sovirtctl top --sort memory");
  command.example("sovirtctl top -n 1 --interval 1s | head");
  command.runs([options](Session& session) { return top(session, *options); });
}

}  // namespace sovirt::ctl
