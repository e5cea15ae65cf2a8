#include "daemon/kernel/cgroup/limit_report.hpp"

#include <unistd.h>

#include <charconv>
#include <functional>

#include <nlohmann/json.hpp>

#include "daemon/kernel/cgroup/cgroup_files.hpp"
#include "daemon/kernel/cgroup/freezer.hpp"

namespace sovirt {
namespace {

// v1 shows "no limit" as the largest multiple of the page size.
constexpr std::uint64_t unlimited_v1 = std::uint64_t{1} << 62;

Json number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && value < unlimited_v1 ? Json(value) : Json(nullptr);
}

std::string text_of(int at, const char* file) {
  std::string text = read_text_at(at, file).value_or("");
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

Json file_number(int at, const char* file) { return number_of(text_of(at, file)); }

Json quota_v1(int at) {
  const std::string quota = text_of(at, "cpu.cfs_quota_us");
  if (quota.empty() || quota.front() == '-') return nullptr;
  return {{"quota", std::stoll(quota) * 1000}, {"period", std::stoll(text_of(at, "cpu.cfs_period_us")) * 1000}};
}

Json quota_v2(int at) {
  const auto words = split_words(text_of(at, "cpu.max"));
  if (words.size() != 2 || words[0] == "max") return nullptr;
  return {{"quota", std::stoll(words[0]) * 1000}, {"period", std::stoll(words[1]) * 1000}};
}

Json swap_v1(int at) {
  const Json both = file_number(at, "memory.memsw.limit_in_bytes"), memory = file_number(at, "memory.limit_in_bytes");
  if (!both.is_number() || !memory.is_number()) return nullptr;
  return both.get<std::uint64_t>() - memory.get<std::uint64_t>();
}

Json weight_text(std::string text) {
  if (text.starts_with("default ")) text.erase(0, 8);
  return number_of(text.substr(0, text.find('\n')));
}

void put_disk(Json& disks, const std::string& disk, const char* key, const Json& value) {
  for (Json& one : disks) {
    if (one.at("device") != disk) continue;
    one[key] = value;
    return;
  }
  disks.push_back({{"device", disk}, {"read_bytes", nullptr}, {"write_bytes", nullptr}, {"read_operations", nullptr}, {"write_operations", nullptr}});
  disks.back()[key] = value;
}

Json disks_v1(int at) {
  static constexpr std::pair<const char*, const char*> files[] = {{"blkio.throttle.read_bps_device", "read_bytes"},
                                                                  {"blkio.throttle.write_bps_device", "write_bytes"},
                                                                  {"blkio.throttle.read_iops_device", "read_operations"},
                                                                  {"blkio.throttle.write_iops_device", "write_operations"}};
  Json disks = Json::array();
  for (const auto& [file, key] : files)
    for (const std::string& line : split_words(text_of(at, file), '\n')) {
      const auto words = split_words(line);
      if (words.size() == 2) put_disk(disks, words[0], key, number_of(words[1]));
    }
  return disks;
}

Json disks_v2(int at) {
  static constexpr std::pair<std::string_view, const char*> keys[] = {
      {"rbps=", "read_bytes"}, {"wbps=", "write_bytes"}, {"riops=", "read_operations"}, {"wiops=", "write_operations"}};
  Json disks = Json::array();
  for (const std::string& line : split_words(text_of(at, "io.max"), '\n')) {
    const auto words = split_words(line);
    for (const std::string& word : words)
      for (const auto& [prefix, key] : keys)
        if (word.starts_with(prefix)) put_disk(disks, words[0], key, number_of(std::string_view{word}.substr(prefix.size())));
  }
  return disks;
}

// One limit: where it is asked for, the file it is set in, and what is in force.
struct Row {
  const char* controller;
  const char* name;
  const char* file_v1;   // nullptr: this version has none
  const char* file_v2;
  std::function<Json(int at, bool v1)> effective;
};

Json list_v1_or_v2(int at, bool v1, const char* what) {
  const std::string text = text_of(at, (v1 ? "cpuset.effective_" + std::string{what} : "cpuset." + std::string{what} + ".effective").c_str());
  return text.empty() ? Json(nullptr) : Json(text);
}

Json in_shares(const Json& weight) { return weight.is_number() ? Json(shares_of_weight(weight.get<std::uint64_t>())) : weight; }
Json in_weight(const Json& shares) { return shares.is_number() ? Json(weight_of_shares(shares.get<std::uint64_t>())) : shares; }

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"cpu", "weight", "cpu.shares", "cpu.weight",
       [](int at, bool v1) { return v1 ? in_weight(file_number(at, "cpu.shares")) : file_number(at, "cpu.weight"); }},
      {"cpu", "shares", "cpu.shares", "cpu.weight",
       [](int at, bool v1) { return v1 ? file_number(at, "cpu.shares") : in_shares(file_number(at, "cpu.weight")); }},
      {"cpu", "max", "cpu.cfs_quota_us", "cpu.max", [](int at, bool v1) { return v1 ? quota_v1(at) : quota_v2(at); }},
      {"cpuset", "cpus", "cpuset.cpus", "cpuset.cpus", [](int at, bool v1) { return list_v1_or_v2(at, v1, "cpus"); }},
      {"cpuset", "mems", "cpuset.mems", "cpuset.mems", [](int at, bool v1) { return list_v1_or_v2(at, v1, "mems"); }},
      {"memory", "max", "memory.limit_in_bytes", "memory.max",
       [](int at, bool v1) { return file_number(at, v1 ? "memory.limit_in_bytes" : "memory.max"); }},
      {"memory", "high", nullptr, "memory.high", [](int at, bool) { return file_number(at, "memory.high"); }},
      {"memory", "swap_max", "memory.memsw.limit_in_bytes", "memory.swap.max",
       [](int at, bool v1) { return v1 ? swap_v1(at) : file_number(at, "memory.swap.max"); }},
      {"pids", "max", "pids.max", "pids.max", [](int at, bool) { return file_number(at, "pids.max"); }},
      {"io", "weight", "blkio.weight|blkio.bfq.weight", "io.weight|io.bfq.weight", {}},
      {"freezer", "frozen", "freezer.state", "cgroup.freeze", [](int at, bool) { return Json(is_frozen(at)); }},
      {"io", "limits", "blkio.throttle.read_bps_device", "io.max", [](int at, bool v1) { return v1 ? disks_v1(at) : disks_v2(at); }},
  };
  return all;
}

bool is_asked(const Json& requested) { return !requested.is_null() && !(requested.is_array() && requested.empty()); }

// The row's file in the group. "": this kernel has it not.
std::string file_there(const Row& row, int at, bool v1) {
  const char* names = v1 ? row.file_v1 : row.file_v2;
  if (names == nullptr) return "";
  for (const std::string& name : split_words(names, '|'))
    if (::faccessat(at, name.c_str(), F_OK, 0) == 0) return name;
  return "";
}

void add_row(Json& all, const Row& row, const HierarchyRoot& root, int at, std::string_view group, const Json& requested) {
  const bool v1 = root.version() == 1;
  const std::string file = file_there(row, at, v1);
  if (file.empty()) return;
  const std::string path = root.hierarchy().mount + root.path(group);
  Json& controller = all[row.controller];
  if (controller.is_null()) controller = {{"version", root.version()}, {"path", path}, {"limits", Json::object()}};
  controller["limits"][row.name] = {{"requested", requested},
                                    {"effective", row.effective ? row.effective(at, v1) : weight_text(text_of(at, file.c_str()))},
                                    {"file", path + "/" + file}};
}

}  // namespace

Json report_limits(const CgroupRoots& roots, std::string_view group, const LimitsSpec& asked, bool everything) {
  Json spec = write_limits(asked);
  spec["freezer"] = {{"frozen", nullptr}};   // no limit, and known to the caller only
  Json all = Json::object();
  for (const Row& row : rows()) {
    const Json& requested = spec.at(row.controller).at(row.name);
    if (!everything && !is_asked(requested)) continue;
    const HierarchyRoot* root = roots.controlling(row.controller);
    const auto directory = root ? root->group(group) : std::nullopt;
    if (directory) add_row(all, row, *root, directory->get(), group, requested);
  }
  return all;
}

}  // namespace sovirt
