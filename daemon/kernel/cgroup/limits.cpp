#include "daemon/kernel/cgroup/limits.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/cgroup_files.hpp"

namespace sovirt {
namespace {

constexpr std::uint64_t default_weight = 100, default_shares = 1024, default_period = 100000;

std::string number_or(const std::optional<std::uint64_t>& value, std::string_view otherwise) {
  return value ? std::to_string(*value) : std::string{otherwise};
}

void add_cpu_v1(std::vector<LimitWrite>& out, const LimitsSpec& limits) {
  const auto shares = (limits.cpu_weight.value_or(default_weight) * default_shares + default_weight / 2) / default_weight;
  const bool quota = limits.cpu_quota_us.has_value();
  out.push_back({"cpu", "cpu.shares", std::to_string(std::clamp<std::uint64_t>(shares, 2, 262144)), limits.cpu_weight.has_value()});
  // The old quota must not meet the new period: the pair may be one the kernel refuses.
  out.push_back({"cpu", "cpu.cfs_quota_us", "-1", quota});
  out.push_back({"cpu", "cpu.cfs_period_us", std::to_string(limits.cpu_period_us.value_or(default_period)), quota});
  if (quota) out.push_back({"cpu", "cpu.cfs_quota_us", std::to_string(*limits.cpu_quota_us), true});
}

void add_cpu_v2(std::vector<LimitWrite>& out, const LimitsSpec& limits) {
  out.push_back({"cpu", "cpu.weight", std::to_string(limits.cpu_weight.value_or(default_weight)), limits.cpu_weight.has_value()});
  out.push_back({"cpu", "cpu.max",
                 number_or(limits.cpu_quota_us, "max") + " " + std::to_string(limits.cpu_period_us.value_or(default_period)),
                 limits.cpu_quota_us.has_value()});
}

// The value to write back. Files of one value and "max 100000" can be written as they read.
std::string old_value(int directory, const LimitWrite& write) {
  std::string text = read_text_at(directory, write.file.c_str()).value_or("");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Error refusal(int number, const LimitWrite& write) {
  const std::string what = write.file + " = " + write.value;
  if (number == EINVAL || number == ERANGE)
    return Error{Code::invalid, "the kernel does not take " + what}.with_errno(number, "write");
  if (number == EBUSY)
    return Error{Code::conflict, "the group uses more than " + what + " and the kernel cannot reclaim enough of it"}
        .with_errno(number, "write");
  return errno_error(number, "write", what);
}

}  // namespace

std::vector<LimitWrite> limit_writes(const LimitsSpec& limits, LimitVersions on) {
  std::vector<LimitWrite> out;
  const bool memory = limits.memory_max.has_value();
  if (on.memory == 1)
    out.push_back({"memory", "memory.limit_in_bytes", number_or(limits.memory_max, "-1"), memory});
  else
    out.push_back({"memory", "memory.max", number_or(limits.memory_max, "max"), memory});
  out.push_back({"pids", "pids.max", number_or(limits.pids_max, "max"), limits.pids_max.has_value()});
  if (on.cpu == 1)
    add_cpu_v1(out, limits);
  else
    add_cpu_v2(out, limits);
  return out;
}

void apply_limits(const std::vector<LimitWrite>& writes, const std::vector<int>& directories) {
  std::vector<bool> there(writes.size());
  for (std::size_t i = 0; i < writes.size(); ++i) {
    there[i] = directories[i] >= 0 && ::faccessat(directories[i], writes[i].file.c_str(), W_OK, 0) == 0;
    if (!there[i] && writes[i].asked)
      throw Error{Code::unsupported, "this host has no usable " + writes[i].controller + " controller (" + writes[i].file + ")"}
          .with_hint("GET /v1/host shows which controllers there are and where");
  }
  std::vector<std::pair<std::size_t, std::string>> done;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (!there[i]) continue;
    std::string before = old_value(directories[i], writes[i]);
    const int number = try_write_at(directories[i], writes[i].file.c_str(), writes[i].value);
    if (number == 0) {
      done.emplace_back(i, std::move(before));
      continue;
    }
    for (auto undo = done.rbegin(); undo != done.rend(); ++undo)
      try_write_at(directories[undo->first], writes[undo->first].file.c_str(), undo->second);
    throw refusal(number, writes[i]);
  }
}

}  // namespace sovirt
