#include "api/limits.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "api/cpu_list.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr std::int64_t most_bytes = std::int64_t{1} << 62;
constexpr std::int64_t least_memory = 64 * 1024;
constexpr std::int64_t most_pids = 4'194'304;          // PID_MAX_LIMIT of a 64-bit kernel
constexpr std::int64_t microsecond = 1'000, millisecond = 1'000'000;
constexpr std::size_t most_devices = 64, most_triggers = 8;

std::optional<std::uint64_t> number(ObjectReader& in, const char* key, std::int64_t least, std::int64_t most) {
  const auto value = in.integer(key, least, most);
  return value ? std::optional{static_cast<std::uint64_t>(*value)} : std::nullopt;
}

std::optional<std::chrono::nanoseconds> duration(ObjectReader& in, const char* key, std::int64_t most) {
  const auto value = in.integer(key, millisecond, most);
  if (!value) return std::nullopt;
  if (*value % microsecond != 0) in.fail(key, "format", "is in nanoseconds, and the kernel counts whole microseconds of 1000 each");
  return std::chrono::nanoseconds{*value};
}

void read_cpu(ObjectReader& in, LimitsSpec& limits) {
  limits.cpu_weight = number(in, "weight", 1, 10'000);
  limits.cpu_shares = number(in, "shares", 2, 262'144);
  if (limits.cpu_weight && limits.cpu_shares) in.fail("shares", "conflict", "says the same as weight: only one of the two can be set");
  in.object("max", [&](ObjectReader& max) {
    // Bounds of the kernel (kernel/sched/core.c): 1 ms at least, a period of 1 s at most.
    const auto quota = duration(max, "quota", (std::int64_t{1} << 44) * microsecond);
    const auto period = duration(max, "period", 1'000 * millisecond);
    max.require("quota");
    if (quota) limits.cpu_max = CpuQuota{*quota, period.value_or(CpuQuota{}.period)};
  });
}

std::optional<std::string> read_list(ObjectReader& in, const char* key) {
  const auto text = in.string(key, 4096);
  if (!text) return std::nullopt;
  const auto list = parse_cpu_list(*text);
  if (!list) {
    in.fail(key, "format", "must be numbers and ascending ranges with commas between, such as 0-3,6");
    return std::nullopt;
  }
  return cpu_list_text(*list);
}

void read_memory(ObjectReader& in, LimitsSpec& limits) {
  limits.memory_max = number(in, "max", least_memory, most_bytes);
  limits.memory_high = number(in, "high", least_memory, most_bytes);
  limits.swap_max = number(in, "swap_max", 0, most_bytes);
  limits.kill_excess = in.choice("on_excess", {"refuse", "kill"}).value_or(0) == 1;
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.size() <= 9 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool valid_device(std::string_view text) {
  const auto colon = text.find(':');
  if (colon != std::string_view::npos && all_digits(text.substr(0, colon)) && all_digits(text.substr(colon + 1))) return true;
  return text.starts_with("/dev/") && text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

IoLimit read_device(ObjectReader& in) {
  IoLimit limit;
  limit.device = in.string("device", 256).value_or("");
  in.require("device");
  if (in.has("device") && !valid_device(limit.device)) in.fail("device", "format", "must be a disk, as /dev/vda or as its numbers 254:0");
  limit.read_bytes = number(in, "read_bytes", 1, most_bytes);
  limit.write_bytes = number(in, "write_bytes", 1, most_bytes);
  limit.read_operations = number(in, "read_operations", 1, 0xffffffff);
  limit.write_operations = number(in, "write_operations", 1, 0xffffffff);
  if (!limit.read_bytes && !limit.write_bytes && !limit.read_operations && !limit.write_operations)
    in.fail("", "required", "at least one of read_bytes, write_bytes, read_operations and write_operations, all per second");
  return limit;
}

void read_io(ObjectReader& in, LimitsSpec& limits) {
  limits.io_weight = number(in, "weight", 1, 10'000);
  std::set<std::string> seen;
  in.objects("limits", most_devices, [&](ObjectReader& device, std::size_t) {
    limits.io_limits.push_back(read_device(device));
    const std::string& name = limits.io_limits.back().device;
    if (!seen.insert(name).second) device.fail("device", "duplicate", name + " is there twice");
  });
}

// Bounds of the kernel (kernel/sched/psi.c): a window of 500 ms to 10 s.
PressureTrigger read_trigger(ObjectReader& in) {
  PressureTrigger trigger;
  trigger.resource = static_cast<PressureTrigger::Resource>(in.choice("resource", {"cpu", "memory", "io"}).value_or(1));
  trigger.full = in.choice("level", {"some", "full"}).value_or(0) == 1;
  const auto stall = duration(in, "stall", 10'000 * millisecond);
  const auto window = duration(in, "window", 10'000 * millisecond);
  in.require("resource");
  in.require("stall");
  trigger.window = window.value_or(std::chrono::seconds{2});   // what the kernel takes from everybody
  trigger.stall = stall.value_or(trigger.window);
  if (trigger.window < std::chrono::milliseconds{500}) in.fail("window", "range", "must be from 500 ms to 10 s, in nanoseconds");
  if (trigger.stall > trigger.window) in.fail("stall", "range", "cannot be longer than the window");
  return trigger;
}

void read_pressure(ObjectReader& in, LimitsSpec& limits) {
  in.objects("pressure", most_triggers, [&](ObjectReader& one, std::size_t) {
    const PressureTrigger trigger = read_trigger(one);
    if (std::find(limits.pressure.begin(), limits.pressure.end(), trigger) != limits.pressure.end()) one.fail("", "duplicate", "is there twice");
    limits.pressure.push_back(trigger);
  });
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

LimitsSpec read_limits(ObjectReader& in) {
  LimitsSpec limits;
  in.object("cpu", [&](ObjectReader& cpu) { read_cpu(cpu, limits); });
  in.object("cpuset", [&](ObjectReader& cpuset) {
    limits.cpuset_cpus = read_list(cpuset, "cpus");
    limits.cpuset_mems = read_list(cpuset, "mems");
  });
  in.object("memory", [&](ObjectReader& memory) { read_memory(memory, limits); });
  in.object("pids", [&](ObjectReader& pids) { limits.pids_max = number(pids, "max", 1, most_pids); });
  in.object("io", [&](ObjectReader& io) { read_io(io, limits); });
  read_pressure(in, limits);
  return limits;
}

LimitsSpec read_limits(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  LimitsSpec limits = read_limits(in);
  in.finish();
  throw_if_any(std::move(errors));
  return limits;
}

const char* resource_text(PressureTrigger::Resource resource) noexcept {
  static constexpr const char* names[] = {"cpu", "memory", "io"};
  return names[static_cast<int>(resource)];
}

Json write_trigger(const PressureTrigger& trigger) {
  return {{"resource", resource_text(trigger.resource)}, {"level", trigger.full ? "full" : "some"},
          {"stall", trigger.stall.count()}, {"window", trigger.window.count()}};
}

Json write_limits(const LimitsSpec& limits) {
  Json triggers = Json::array();
  for (const PressureTrigger& trigger : limits.pressure) triggers.push_back(write_trigger(trigger));
  Json max = nullptr;
  if (limits.cpu_max) max = Json{{"quota", limits.cpu_max->quota.count()}, {"period", limits.cpu_max->period.count()}};
  Json devices = Json::array();
  for (const IoLimit& limit : limits.io_limits)
    devices.push_back({{"device", limit.device},
                       {"read_bytes", or_null(limit.read_bytes)},
                       {"write_bytes", or_null(limit.write_bytes)},
                       {"read_operations", or_null(limit.read_operations)},
                       {"write_operations", or_null(limit.write_operations)}});
  return {{"cpu", {{"weight", or_null(limits.cpu_weight)}, {"shares", or_null(limits.cpu_shares)}, {"max", std::move(max)}}},
          {"cpuset", {{"cpus", or_null(limits.cpuset_cpus)}, {"mems", or_null(limits.cpuset_mems)}}},
          {"memory", {{"max", or_null(limits.memory_max)}, {"high", or_null(limits.memory_high)}, {"swap_max", or_null(limits.swap_max)},
                      {"on_excess", limits.kill_excess ? "kill" : "refuse"}}},
          {"pids", {{"max", or_null(limits.pids_max)}}},
          {"io", {{"weight", or_null(limits.io_weight)}, {"limits", std::move(devices)}}},
          {"pressure", std::move(triggers)}};
}

}  // namespace sovirt
