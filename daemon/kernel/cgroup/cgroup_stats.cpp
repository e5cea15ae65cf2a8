#include "daemon/kernel/cgroup/cgroup_stats.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "daemon/kernel/cgroup/cgroup_files.hpp"
#include "daemon/kernel/cgroup/cgroup_walk.hpp"

namespace sovirt {
namespace {

constexpr std::uint64_t unlimited_v1 = std::uint64_t{1} << 62;

Json or_null(const std::optional<std::uint64_t>& value) { return value && *value < unlimited_v1 ? Json(*value) : Json(nullptr); }
Json number(int at, const char* file) { return or_null(read_number_at(at, file)); }

// A file of "key value" lines, read once.
class Keyed {
 public:
  Keyed(int at, const char* file) {
    for (const std::string& line : split_words(read_text_at(at, file).value_or(""), '\n')) {
      const auto space = line.find(' ');
      std::uint64_t value = 0;
      if (space == std::string::npos) continue;
      const auto [end, error] = std::from_chars(line.data() + space + 1, line.data() + line.size(), value);
      if (error == std::errc{}) values_[line.substr(0, space)] = value;
    }
  }
  Json get(const std::string& key, std::uint64_t unit = 1) const {
    const auto found = values_.find(key);
    return found == values_.end() ? Json(nullptr) : Json(found->second * unit);
  }

 private:
  std::map<std::string, std::uint64_t> values_;
};

struct Reader {
  const CgroupRoots& roots;
  std::string_view group;

  // {} where the host has no such controller for the group.
  std::optional<unique_fd> in(std::string_view controller, bool& v1) const {
    const HierarchyRoot* root = roots.controlling(controller);
    v1 = root && root->version() == 1;
    return root ? root->group(group) : std::nullopt;
  }
};

// v1's cpuacct.stat counts in ticks of a hundredth of a second.
constexpr std::uint64_t tick_ns = 10'000'000;

Json cpu_stats(const Reader& reader) {
  bool v1 = false;
  Json out{{"usage_ns", nullptr}, {"user_ns", nullptr}, {"system_ns", nullptr}, {"periods", nullptr}, {"throttled_periods", nullptr}, {"throttled_ns", nullptr}};
  if (const auto at = reader.in("cpuacct", v1)) {
    const Keyed stat{at->get(), v1 ? "cpuacct.stat" : "cpu.stat"};
    out["usage_ns"] = v1 ? number(at->get(), "cpuacct.usage") : stat.get("usage_usec", 1000);
    out["user_ns"] = v1 ? stat.get("user", tick_ns) : stat.get("user_usec", 1000);
    out["system_ns"] = v1 ? stat.get("system", tick_ns) : stat.get("system_usec", 1000);
  }
  if (const auto at = reader.in("cpu", v1)) {
    const Keyed stat{at->get(), "cpu.stat"};
    out["periods"] = stat.get("nr_periods");
    out["throttled_periods"] = stat.get("nr_throttled");
    out["throttled_ns"] = v1 ? stat.get("throttled_time") : stat.get("throttled_usec", 1000);
  }
  return out;
}

Json memory_stats(const Reader& reader) {
  bool v1 = false;
  const auto at = reader.in("memory", v1);
  const Keyed stat{at ? at->get() : -1, "memory.stat"};
  const Keyed events{at ? at->get() : -1, v1 ? "memory.oom_control" : "memory.events"};
  const auto file = [&](const char* name_v1, const char* name_v2) { return at ? number(at->get(), v1 ? name_v1 : name_v2) : Json(nullptr); };
  return {{"bytes", file("memory.usage_in_bytes", "memory.current")},
          {"peak_bytes", file("memory.max_usage_in_bytes", "memory.peak")},
          {"max_bytes", file("memory.limit_in_bytes", "memory.max")},
          {"swap_bytes", v1 ? stat.get("total_swap") : file("", "memory.swap.current")},
          {"anonymous_bytes", stat.get(v1 ? "total_rss" : "anon")},
          {"file_bytes", stat.get(v1 ? "total_cache" : "file")},
          {"kernel_bytes", file("memory.kmem.usage_in_bytes", "") .is_null() ? stat.get("kernel") : file("memory.kmem.usage_in_bytes", "")},
          {"page_faults", stat.get(v1 ? "total_pgfault" : "pgfault")},
          {"major_page_faults", stat.get(v1 ? "total_pgmajfault" : "pgmajfault")},
          {"limit_hits", v1 ? file("memory.failcnt", "") : events.get("max")},
          {"oom_kills", events.get("oom_kill")}};
}

Json pids_stats(const Reader& reader) {
  bool v1 = false;
  const auto at = reader.in("pids", v1);
  if (!at) return {{"current", nullptr}, {"peak", nullptr}, {"max", nullptr}, {"refused_forks", nullptr}};
  return {{"current", number(at->get(), "pids.current")},
          {"peak", number(at->get(), "pids.peak")},
          {"max", number(at->get(), "pids.max")},
          {"refused_forks", Keyed{at->get(), "pids.events"}.get("max")}};
}

// "8:0 Read 4096" on v1.
void add_v1(Json& out, int at, const char* file, const char* read_key, const char* write_key) {
  const auto text = read_text_at(at, file);
  if (!text) return;
  std::uint64_t read = 0, write = 0;
  for (const std::string& line : split_words(*text, '\n')) {
    const auto words = split_words(line);
    if (words.size() != 3) continue;
    const std::uint64_t value = std::strtoull(words[2].c_str(), nullptr, 10);
    if (words[1] == "Read") read += value;
    if (words[1] == "Write") write += value;
  }
  out[read_key] = read;
  out[write_key] = write;
}

// "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" on v2.
void add_v2(Json& out, int at) {
  const auto text = read_text_at(at, "io.stat");
  if (!text) return;
  static constexpr std::pair<std::string_view, const char*> keys[] = {
      {"rbytes=", "read_bytes"}, {"wbytes=", "write_bytes"}, {"rios=", "read_operations"}, {"wios=", "write_operations"}};
  std::map<std::string, std::uint64_t> sums;
  for (const auto& [prefix, key] : keys) sums[key] = 0;
  for (const std::string& word : split_words(*text))
    for (const auto& [prefix, key] : keys)
      if (word.starts_with(prefix)) sums[key] += std::strtoull(word.c_str() + prefix.size(), nullptr, 10);
  for (const auto& [key, sum] : sums) out[key] = sum;
}

Json io_stats(const Reader& reader) {
  bool v1 = false;
  Json out{{"read_bytes", nullptr}, {"write_bytes", nullptr}, {"read_operations", nullptr}, {"write_operations", nullptr}};
  const auto at = reader.in("io", v1);
  if (!at) return out;
  if (!v1) {
    add_v2(out, at->get());
    return out;
  }
  add_v1(out, at->get(), "blkio.throttle.io_service_bytes_recursive", "read_bytes", "write_bytes");
  add_v1(out, at->get(), "blkio.throttle.io_serviced_recursive", "read_operations", "write_operations");
  return out;
}

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0"
Json pressure_of(int at, const char* file) {
  const auto text = read_text_at(at, file);
  if (!text || text->empty()) return nullptr;
  Json out = Json::object();
  for (const std::string& line : split_words(*text, '\n')) {
    const auto words = split_words(line);
    if (words.empty()) continue;
    Json& one = out[words[0]];
    for (const std::string& word : words) {
      const auto equals = word.find('=');
      if (equals == std::string::npos) continue;
      const std::string key = word.substr(0, equals);
      if (key == "total") one["total_ns"] = std::strtoull(word.c_str() + equals + 1, nullptr, 10) * 1000;
      else one[key + "_percent"] = std::strtod(word.c_str() + equals + 1, nullptr);
    }
  }
  return out;
}

// PSI of a group is a thing of v2, in every group of its hierarchy; EOPNOTSUPP where it was switched off at boot.
Json pressure(const Reader& reader) {
  const HierarchyRoot* root = reader.roots.v2();
  const auto at = root ? root->group(reader.group) : std::nullopt;
  Json out{{"cpu", nullptr}, {"memory", nullptr}, {"io", nullptr}};
  if (!at) return out;
  try {
    out["cpu"] = pressure_of(at->get(), "cpu.pressure");
    out["memory"] = pressure_of(at->get(), "memory.pressure");
    out["io"] = pressure_of(at->get(), "io.pressure");
  } catch (const Error& error) {
    if (error.error_number() != EOPNOTSUPP) throw;
  }
  return out;
}

// Of the network namespace that the group's processes are in, from their side; null where that is the daemon's own.
// /proc/PID/net shows it without entering it.
bool has_own_network(pid_t pid) {
  struct stat theirs {}, ours {};
  return ::stat(("/proc/" + std::to_string(pid) + "/ns/net").c_str(), &theirs) == 0 && ::stat("/proc/self/ns/net", &ours) == 0 &&
         theirs.st_ino != ours.st_ino;
}

Json network(const Reader& reader) {
  std::set<pid_t> pids;
  for (const HierarchyRoot& root : reader.roots.all) {
    auto at = root.group(reader.group);
    if (at && pids.empty()) collect_processes(std::move(*at), pids);
  }
  // The monitor's helper in a container's group has the host's network: it is not the one to ask.
  const auto apart = std::find_if(pids.begin(), pids.end(), has_own_network);
  if (apart == pids.end()) return nullptr;
  const std::string folder = "/proc/" + std::to_string(*apart);
  std::uint64_t received = 0, sent = 0;
  std::string text;
  try {
    text = read_text_at(AT_FDCWD, (folder + "/net/dev").c_str()).value_or("");
  } catch (const Error&) {
    return nullptr;   // it ended a moment ago
  }
  for (const std::string& line : split_words(text, '\n')) {
    const auto colon = line.find(':');
    const auto words = split_words(colon == std::string::npos ? std::string_view{} : std::string_view{line}.substr(colon + 1));
    if (words.size() < 16 || split_words(line.substr(0, colon)) == std::vector<std::string>{"lo"}) continue;
    received += std::strtoull(words[0].c_str(), nullptr, 10);
    sent += std::strtoull(words[8].c_str(), nullptr, 10);
  }
  return {{"receive_bytes", received}, {"transmit_bytes", sent}};
}

}  // namespace

Json read_stats(const CgroupRoots& roots, std::string_view group) {
  if (!roots.exists(group)) throw absent_group(group);
  const Reader reader{roots, group};
  return {{"cpu", cpu_stats(reader)}, {"memory", memory_stats(reader)}, {"pids", pids_stats(reader)}, {"io", io_stats(reader)},
          {"network", network(reader)}, {"pressure", pressure(reader)}};
}

}  // namespace sovirt
