#include "client/ctl/limit_options.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "client/ctl/json_text.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

Json or_none(const std::optional<std::string>& text, const char* option, std::uint64_t (*read)(const std::string&, const std::string&)) {
  return *text == "none" ? Json() : Json(read(option, *text));
}

std::uint64_t count_of(const std::string& option, const std::string& text) {
  const auto value = integer_of(option, text);
  if (value < 0) throw UsageError(option + ": '" + text + "' is negative");
  return static_cast<std::uint64_t>(value);
}

Json disk_of(const std::string& text) {
  static const std::vector<std::pair<std::string, const char*>> keys{
      {"read", "read_bytes"}, {"write", "write_bytes"}, {"read-ops", "read_operations"}, {"write-ops", "write_operations"}};
  Json disk = Json::object();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const auto [key, value] = pair_of("--io", text.substr(begin, end - begin));
    begin = end + 1;
    if (key == "device") {
      disk["device"] = value;
      continue;
    }
    const auto known = std::find_if(keys.begin(), keys.end(), [&, k = key](const auto& one) { return one.first == k; });
    if (known == keys.end()) throw UsageError("--io: unknown key '" + key + "'", "keys: device, read, write, read-ops, write-ops");
    disk[known->second] = key.ends_with("-ops") ? count_of("--io " + key, value) : size_of("--io " + key, value);
  }
  if (!disk.contains("device")) throw UsageError("--io: 'device' is missing", "for example --io device=/dev/vda,read=10M");
  return disk;
}

Json trigger_of(const std::string& text) {
  Json trigger = Json::object();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const auto [key, value] = pair_of("--pressure", text.substr(begin, end - begin));
    begin = end + 1;
    if (key == "resource" || key == "level") trigger[key] = value;
    else if (key == "stall" || key == "window") trigger[key] = duration_of("--pressure " + key, value).count();
    else throw UsageError("--pressure: unknown key '" + key + "'", "keys: resource, level, stall, window");
  }
  for (const char* key : {"resource", "stall"})
    if (!trigger.contains(key)) throw UsageError("--pressure: '" + std::string{key} + "' is missing", "for example --pressure resource=memory,stall=150ms");
  return trigger;
}

// "512M" for bytes, "50.0ms in 100ms" for a quota, the rest as it is.
std::string value_text(const std::string& controller, const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_object()) return time_text(at(value, "/quota")) + " in " + time_text(at(value, "/period"));
  if (controller == "memory") return size_text(value);
  if (!value.is_array()) return text(value);
  std::string all;
  for (const Json& disk : value) {
    all += (all.empty() ? "" : "; ") + text(disk, "/device");
    for (const char* key : {"read_bytes", "write_bytes"})
      if (at(disk, ("/" + std::string{key}).c_str()).is_number()) all += " " + std::string{key, std::string{key}.find('_')} + " " + size_text(disk.at(key)) + "/s";
    for (const char* key : {"read_operations", "write_operations"})
      if (at(disk, ("/" + std::string{key}).c_str()).is_number()) all += " " + std::string{key, std::string{key}.find('_')} + " " + text(disk.at(key)) + " ops/s";
  }
  return all.empty() ? "-" : all;
}

}  // namespace

void add_limit_options(Command& command, LimitOptions& options) {
  command.option("--memory", "SIZE", "memory limit, such as 512M; none lifts it, as with every limit here", options.memory);
  command.option("--on-excess", "refuse|kill", "where more memory is used than asked and cannot be reclaimed: refuse (default), or kill the largest processes", options.on_excess)
      .among({"refuse", "kill"});
  command.option("--memory-high", "SIZE", "memory beyond which its processes are slowed down (cgroup v2)", options.memory_high);
  command.option("--swap", "SIZE", "limit of swap, beside memory", options.swap);
  command.option("--cpus", "NUMBER", "CPU time limit in CPUs, such as 0.5", options.cpus);
  command.option("--cpu-weight", "1-10000", "share of the CPU against others (100 is usual)", options.cpu_weight);
  command.option("--cpu-shares", "2-262144", "the same in the terms of cgroup v1 (1024 is usual)", options.cpu_shares);
  command.option("--cpuset-cpus", "LIST", "the CPUs it may run on, such as 0-3,6", options.cpuset_cpus);
  command.option("--cpuset-mems", "LIST", "the memory nodes it may use", options.cpuset_mems);
  command.option("--pids", "NUMBER", "limit of processes and threads", options.pids);
  command.option("--io-weight", "1-10000", "share of the disks against others (100 is usual)", options.io_weight);
  command.option("--io", "KEY=VALUE,…", "limit of a disk: device=, and a second read=, write= (bytes), read-ops=, write-ops=; may be repeated; none lifts all", options.io);
  command.option("--pressure", "KEY=VALUE,…", "an event when its processes were held up: resource=cpu|memory|io, stall= a time, within window= (2s), level=some|full; may be repeated; none ends all",
                 options.pressure);
}

Json limits_of(const LimitOptions& options) {
  Json all = Json::object();
  if (options.memory) all["memory"]["max"] = or_none(options.memory, "--memory", size_of);
  if (options.on_excess) all["memory"]["on_excess"] = *options.on_excess;
  if (options.memory_high) all["memory"]["high"] = or_none(options.memory_high, "--memory-high", size_of);
  if (options.swap) all["memory"]["swap_max"] = or_none(options.swap, "--swap", size_of);
  if (options.cpu_weight) all["cpu"] = {{"weight", or_none(options.cpu_weight, "--cpu-weight", count_of)}, {"shares", nullptr}};
  if (options.cpu_shares) {
    if (options.cpu_weight) throw UsageError("--cpu-weight and --cpu-shares say the same: only one of them");
    all["cpu"] = {{"shares", or_none(options.cpu_shares, "--cpu-shares", count_of)}, {"weight", nullptr}};
  }
  if (options.cpus)
    all["cpu"]["max"] = *options.cpus == "none" ? Json() : Json{{"quota", nanoseconds_of_cpus("--cpus", *options.cpus)}, {"period", 100'000'000}};
  if (options.cpuset_cpus) all["cpuset"]["cpus"] = *options.cpuset_cpus == "none" ? Json() : Json(*options.cpuset_cpus);
  if (options.cpuset_mems) all["cpuset"]["mems"] = *options.cpuset_mems == "none" ? Json() : Json(*options.cpuset_mems);
  if (options.pids) all["pids"]["max"] = or_none(options.pids, "--pids", count_of);
  if (options.io_weight) all["io"]["weight"] = or_none(options.io_weight, "--io-weight", count_of);
  if (!options.io.empty()) all["io"]["limits"] = Json::array();
  for (const std::string& disk : options.io)
    if (disk != "none") all["io"]["limits"].push_back(disk_of(disk));
  if (!options.pressure.empty()) all["pressure"] = Json::array();
  for (const std::string& trigger : options.pressure)
    if (trigger != "none") all["pressure"].push_back(trigger_of(trigger));
  return all;
}

void page_controllers(Page& page, const Json& controllers) {
  std::vector<Json> rows;
  if (!controllers.is_object()) return;
  for (const auto& [controller, one] : controllers.items())
    for (const auto& [limit, values] : at(one, "/limits").items()) {
      const std::string asked = value_text(controller, at(values, "/requested")), held = value_text(controller, at(values, "/effective"));
      rows.push_back({{"limit", controller + "." + limit}, {"asked", asked}, {"in_force", held}, {"version", "v" + text(one, "/version")}, {"file", at(values, "/file")}});
    }
  if (rows.empty()) return;
  page.section("Limits");
  page.table({text_column("LIMIT", "/limit"), text_column("ASKED", "/asked"), text_column("IN FORCE", "/in_force"), text_column("CGROUP", "/version"),
              {"FILE", [](const Json& row) { return Cell(text(row, "/file")); }, 0, 3}},
             rows);
}

}  // namespace sovirt::ctl
