#include "daemon/kernel/host/host_probe.hpp"

#include <sys/utsname.h>

#include <charconv>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "daemon/kernel/host/cgroup_report.hpp"
#include "daemon/kernel/host/features.hpp"
#include "daemon/kernel/host/host_tree.hpp"
#include "daemon/kernel/host/kernel_build.hpp"
#include "daemon/kernel/host/kernel_questions.hpp"
#include "daemon/kernel/host/virtualization.hpp"

namespace sovirt {
namespace {

// What cannot change before the next boot.
struct Constant {
  KernelBuild build;
  Answers answers;
  CpuFacts cpu;
  std::string architecture;
};

Json text_or_null(const std::optional<std::string>& text) { return text ? Json(*text) : Json(nullptr); }

// "0-3,8" is five.
unsigned count_cpus(const std::string& list) {
  unsigned count = 0;
  const char* at = list.data();
  const char* const end = at + list.size();
  while (at < end) {
    unsigned first = 0, last = 0;
    at = std::from_chars(at, end, first).ptr;
    last = first;
    if (at < end && *at == '-') at = std::from_chars(at + 1, end, last).ptr;
    count += last >= first ? last - first + 1 : 0;
    ++at;
  }
  return count;
}

std::uint64_t memory_bytes(const std::string& meminfo) {
  static constexpr std::string_view key = "MemTotal:";
  const auto at = meminfo.find(key);
  const auto digit = at == std::string::npos ? at : meminfo.find_first_of("0123456789", at + key.size());
  std::uint64_t kibibytes = 0;
  if (digit != std::string::npos) std::from_chars(meminfo.data() + digit, meminfo.data() + meminfo.size(), kibibytes);
  return kibibytes * 1024;
}

Json distribution(const HostTree& host) {
  std::optional<std::string> text = host.read("/etc/os-release");
  if (!text) text = host.read("/usr/lib/os-release");
  static constexpr std::string_view key = "\nPRETTY_NAME=";
  const std::string lines = '\n' + text.value_or("");
  const auto at = lines.find(key);
  if (at == std::string::npos) return nullptr;
  std::string name = lines.substr(at + key.size(), lines.find('\n', at + 1) - at - key.size());
  if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') && name.back() == name.front()) name = name.substr(1, name.size() - 2);
  return name;
}

Json feature_json(const Feature& feature) {
  return {{"name", feature.name},
          {"state", state_text(feature.answer.state)},
          {"detail", feature.answer.detail},
          {"needed_for", feature.needed_for},
          {"required", feature.required}};
}

class FileHostProbe final : public HostProbe {
 public:
  explicit FileHostProbe(HostProbeOptions options)
      : options_(std::move(options)), host_(options_.proc, options_.sys, options_.dev, options_.root) {}

  Json report() override;

 private:
  const Constant& constant();
  void add_identity(Json& out, const Constant& known) const;

  HostProbeOptions options_;
  HostTree host_;
  std::once_flag once_;
  std::optional<Constant> constant_;
};

const Constant& FileHostProbe::constant() {
  std::call_once(once_, [&] {
    KernelBuild build{host_};
    if (options_.ask_kernel) {
      utsname name{};
      ::uname(&name);
      Answers answers = ask_kernel(loadable_parts(host_, build));
      constant_.emplace(Constant{std::move(build), std::move(answers), {cpu_flags(host_), cpuid_signature()}, name.machine});
    } else {
      CpuFacts cpu{cpu_flags(host_), options_.cpu_signature.value_or("")};
      constant_.emplace(Constant{std::move(build), {}, std::move(cpu), options_.architecture});
    }
  });
  return *constant_;
}

void FileHostProbe::add_identity(Json& out, const Constant& known) const {
  const std::string uptime = host_.read_line("/proc/uptime").value_or("0");
  double seconds = 0;
  std::from_chars(uptime.data(), uptime.data() + uptime.size(), seconds);
  out["hostname"] = text_or_null(host_.read_line("/proc/sys/kernel/hostname"));
  out["kernel"] = known.build.release();
  out["architecture"] = known.architecture;
  out["distribution"] = distribution(host_);
  out["boot_id"] = text_or_null(host_.read_line("/proc/sys/kernel/random/boot_id"));
  out["uptime_seconds"] = static_cast<std::int64_t>(seconds);
  out["cpus"] = count_cpus(host_.read_line("/sys/devices/system/cpu/online").value_or(""));
  out["memory_bytes"] = memory_bytes(host_.read("/proc/meminfo").value_or(""));
}

Json FileHostProbe::report() {
  const Constant& known = constant();
  std::vector<CgroupController> used;
  if (options_.controllers) used = options_.controllers();
  const CgroupFacts cgroups = cgroup_facts(host_, options_.controllers ? &used : nullptr);
  Json out = Json::object();
  add_identity(out, known);
  out["virtualization"] = virtualization_report(host_, known.cpu, options_.ask_kernel);
  out["cgroups"] = cgroup_report(cgroups);
  Json& features = out["features"] = Json::array();
  for (const Feature& feature : find_features({host_, known.build, known.answers, cgroups})) features.push_back(feature_json(feature));
  return out;
}

}  // namespace

std::unique_ptr<HostProbe> make_host_probe(HostProbeOptions options) { return std::make_unique<FileHostProbe>(std::move(options)); }

}  // namespace sovirt
