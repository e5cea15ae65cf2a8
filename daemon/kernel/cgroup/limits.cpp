#include "daemon/kernel/cgroup/limits.hpp"

#include <algorithm>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/hierarchies.hpp"

namespace sovirt {
namespace {

using Part = LimitWrite::Part;
constexpr std::uint64_t usual_weight = 100, usual_shares = 1024;

template <typename T>
Part asked_if(const std::optional<T>& value) {
  return value ? Part::asked : Part::unasked;
}

std::string number_or(const std::optional<std::uint64_t>& value, std::string_view otherwise) {
  return value ? std::to_string(*value) : std::string{otherwise};
}

Error inexpressible(std::string_view what, std::string_view controller, std::string pointer) {
  std::string detail = "this host's " + std::string{controller} + " controller is on cgroup v1, which has no " + std::string{what};
  return Error{Code::unsupported, detail}
      .with_fields({{std::move(pointer), "unsupported", detail}})
      .with_hint("GET /v1/host shows which controllers there are and where");
}

std::uint64_t added(std::uint64_t a, std::uint64_t b) { return a > ~b ? ~std::uint64_t{0} : a + b; }

// memory.memsw counts memory and swap together, and neither file may pass the other on the way.
void add_memory_v1(std::vector<LimitWrite>& out, const LimitsSpec& limits) {
  if (limits.memory_high) throw inexpressible("memory.high", "memory", "/memory/high");
  if (limits.swap_max && !limits.memory_max)
    throw inexpressible("limit of swap alone: ask for memory.max too", "memory", "/memory/swap_max");
  const bool swap = limits.swap_max.has_value();
  out.push_back({"memory", "memory.memsw.limit_in_bytes", "-1", swap ? Part::passing : Part::unasked, "/memory/swap_max"});
  out.push_back({"memory", "memory.limit_in_bytes", number_or(limits.memory_max, "-1"), asked_if(limits.memory_max), "/memory/max"});
  if (swap)
    out.push_back({"memory", "memory.memsw.limit_in_bytes", std::to_string(added(*limits.memory_max, *limits.swap_max)), Part::asked,
                   "/memory/swap_max"});
}

void add_memory_v2(std::vector<LimitWrite>& out, const LimitsSpec& limits) {
  out.push_back({"memory", "memory.max", number_or(limits.memory_max, "max"), asked_if(limits.memory_max), "/memory/max"});
  out.push_back({"memory", "memory.high", number_or(limits.memory_high, "max"), asked_if(limits.memory_high), "/memory/high"});
  out.push_back({"memory", "memory.swap.max", number_or(limits.swap_max, "max"), asked_if(limits.swap_max), "/memory/swap_max"});
}

std::string microseconds(std::chrono::nanoseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

void add_cpu(std::vector<LimitWrite>& out, const LimitsSpec& limits, int version) {
  const std::string field = limits.cpu_shares ? "/cpu/shares" : "/cpu/weight";
  const Part weighed = limits.cpu_shares ? Part::asked : asked_if(limits.cpu_weight);
  const Part capped = asked_if(limits.cpu_max);
  const std::string period = microseconds(limits.cpu_max.value_or(CpuQuota{}).period);
  const std::string quota = limits.cpu_max ? microseconds(limits.cpu_max->quota) : version == 1 ? "-1" : "max";
  if (version == 1) {
    const auto shares = limits.cpu_shares.value_or(shares_of_weight(limits.cpu_weight.value_or(usual_weight)));
    out.push_back({"cpu", "cpu.shares", std::to_string(shares), weighed, field});
    // The old quota must not meet the new period: the pair may be one the kernel refuses.
    if (limits.cpu_max) out.push_back({"cpu", "cpu.cfs_quota_us", "-1", Part::passing, "/cpu/max"});
    else out.push_back({"cpu", "cpu.cfs_quota_us", quota, capped, "/cpu/max"});
    out.push_back({"cpu", "cpu.cfs_period_us", period, capped, "/cpu/max"});
    if (limits.cpu_max) out.push_back({"cpu", "cpu.cfs_quota_us", quota, capped, "/cpu/max"});
    return;
  }
  const auto weight = limits.cpu_shares ? weight_of_shares(*limits.cpu_shares) : limits.cpu_weight.value_or(usual_weight);
  out.push_back({"cpu", "cpu.weight", std::to_string(weight), weighed, field});
  out.push_back({"cpu", "cpu.max", quota + " " + period, capped, "/cpu/max"});
}

void add_io_weight(std::vector<LimitWrite>& out, const LimitsSpec& limits, int version) {
  out.push_back({"io", version == 1 ? "blkio.weight|blkio.bfq.weight" : "io.weight|io.bfq.weight", number_or(limits.io_weight, "100"),
                 asked_if(limits.io_weight), "/io/weight"});
}

std::string io_max_line(const IoLimit& limit) {
  return "rbps=" + number_or(limit.read_bytes, "max") + " wbps=" + number_or(limit.write_bytes, "max") +
         " riops=" + number_or(limit.read_operations, "max") + " wiops=" + number_or(limit.write_operations, "max");
}

struct ThrottleFile {
  const char* file;
  std::optional<std::uint64_t> IoLimit::*value;
  const char* field;
};
constexpr ThrottleFile throttle_files[] = {{"blkio.throttle.read_bps_device", &IoLimit::read_bytes, "read_bytes"},
                                           {"blkio.throttle.write_bps_device", &IoLimit::write_bytes, "write_bytes"},
                                           {"blkio.throttle.read_iops_device", &IoLimit::read_operations, "read_operations"},
                                           {"blkio.throttle.write_iops_device", &IoLimit::write_operations, "write_operations"}};

// The disks named at the beginning of each line.
std::vector<std::string> disks_in(const std::string& text) {
  std::vector<std::string> disks;
  for (const std::string& line : split_words(text, '\n')) {
    const auto words = split_words(line);
    if (!words.empty() && words.front().find(':') != std::string::npos) disks.push_back(words.front());
  }
  return disks;
}

bool holds(const std::vector<std::string>& list, const std::string& one) { return std::find(list.begin(), list.end(), one) != list.end(); }

}  // namespace

std::uint64_t shares_of_weight(std::uint64_t weight) noexcept {
  return std::clamp<std::uint64_t>((weight * usual_shares + usual_weight / 2) / usual_weight, 2, 262144);
}

std::uint64_t weight_of_shares(std::uint64_t shares) noexcept {
  return std::clamp<std::uint64_t>((shares * usual_weight + usual_shares / 2) / usual_shares, 1, 10000);
}

std::vector<LimitWrite> limit_writes(const LimitsSpec& limits, LimitVersions on) {
  std::vector<LimitWrite> out;
  on.memory == 1 ? add_memory_v1(out, limits) : add_memory_v2(out, limits);
  out.push_back({"pids", "pids.max", number_or(limits.pids_max, "max"), asked_if(limits.pids_max), "/pids/max"});
  add_cpu(out, limits, on.cpu);
  out.push_back({"cpuset", "cpuset.mems", limits.cpuset_mems.value_or(""), asked_if(limits.cpuset_mems), "/cpuset/mems"});
  out.push_back({"cpuset", "cpuset.cpus", limits.cpuset_cpus.value_or(""), asked_if(limits.cpuset_cpus), "/cpuset/cpus"});
  add_io_weight(out, limits, on.io);
  return out;
}

std::vector<LimitWrite> io_writes(const std::vector<IoLimit>& limits, int version,
                                  const std::function<std::string(const std::string&)>& disk_of,
                                  const std::function<std::string(const std::string&)>& text_of) {
  std::vector<LimitWrite> out;
  std::vector<std::string> wanted;
  const auto add = [&](const char* file, const std::optional<std::uint64_t> IoLimit::*value, const std::string& none) {
    std::vector<std::string> kept;
    for (std::size_t i = 0; i < limits.size(); ++i) {
      if (value && !(limits[i].*value)) continue;
      kept.push_back(wanted[i]);
      out.push_back({"io", file, wanted[i] + " " + (value ? std::to_string(*(limits[i].*value)) : io_max_line(limits[i])), Part::asked,
                     "/io/limits/" + std::to_string(i)});
    }
    for (const std::string& disk : disks_in(text_of(file)))
      if (!holds(kept, disk)) out.push_back({"io", file, disk + " " + none, Part::unasked, "/io/limits"});
  };
  for (const IoLimit& limit : limits) wanted.push_back(disk_of(limit.device));
  if (version == 1)
    for (const ThrottleFile& one : throttle_files) add(one.file, one.value, "0");
  else
    add("io.max", nullptr, io_max_line({}));
  return out;
}

}  // namespace sovirt
