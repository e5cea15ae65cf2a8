#include "daemon/kernel/host/kernel_build.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace sovirt {
namespace {

std::string unzip(const std::string& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file{::gzopen(path.c_str(), "rbe"), &::gzclose};
  std::string text;
  if (!file) return text;
  char buffer[16384];
  constexpr std::size_t most = 4 << 20;
  for (int got; text.size() < most && (got = ::gzread(file.get(), buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(got));
  return text;
}

std::string find_config(const HostTree& host, const std::string& release) {
  if (host.exists("/proc/config.gz")) return unzip(host.locate("/proc/config.gz"));
  for (const std::string& path : {"/boot/config-" + release, "/lib/modules/" + release + "/config"})
    if (auto text = host.read(path)) return std::move(*text);
  return {};
}

// Lines of modules.dep and modules.builtin are paths: "kernel/drivers/net/veth.ko.xz: …what it depends on". In file names
// of modules the kernel's underscores may be dashes.
std::set<std::string> module_names(const std::string& lines) {
  std::set<std::string> names;
  for (std::size_t at = 0; at < lines.size();) {
    const auto end = std::min(lines.find('\n', at), lines.size());
    std::string_view path{lines.data() + at, std::min(lines.find(':', at), end) - at};
    path.remove_prefix(path.rfind('/') + 1);  // npos + 1 is 0
    const auto extension = path.find(".ko");
    std::string name{path.substr(0, extension)};
    std::replace(name.begin(), name.end(), '-', '_');
    if (extension != std::string_view::npos) names.insert(std::move(name));
    at = end + 1;
  }
  return names;
}

}  // namespace

KernelBuild::KernelBuild(const HostTree& host) : release_(host.read_line("/proc/sys/kernel/osrelease").value_or("")) {
  std::sscanf(release_.c_str(), "%d.%d", &major_, &minor_);
  config_ = find_config(host, release_);
  for (const char* top : {"/lib/modules/", "/usr/lib/modules/"}) {
    if (builtin_.empty()) builtin_ = module_names(host.read(top + release_ + "/modules.builtin").value_or(""));
    if (modules_.empty()) modules_ = module_names(host.read(top + release_ + "/modules.dep").value_or(""));
  }
}

std::optional<char> KernelBuild::option(const std::string& name) const {
  if (config_.empty()) return std::nullopt;
  const std::string line = "\nCONFIG_" + name + "=";
  const auto at = config_.find(line);
  if (at == std::string::npos || at + line.size() >= config_.size()) return 'n';
  return config_[at + line.size()] == 'm' ? 'm' : 'y';
}

KernelBuild::Evidence KernelBuild::find(const HostTree& host, const std::string& module, const std::string& name) const {
  if (host.exists("/sys/module/" + module + "/initstate")) return {Part::running, "as a module, loaded"};
  if (builtin_.contains(module)) return {Part::running, "built into the kernel"};
  if (modules_.contains(module)) return {Part::loadable, "as a module, loaded when first needed"};
  const auto set = option(name);
  if (set == 'y') return {Part::running, "built into the kernel"};
  if (host.exists("/sys/module/" + module)) return {Part::running, "in the kernel"};
  if (set == 'n') return {Part::absent, "CONFIG_" + name + " is not set in this kernel"};
  if (set == 'm' && !modules_.empty())
    return {Part::absent, "built as a module (" + module + "), but its file is not in /lib/modules/" + release_};
  if (set == 'm') return {Part::unknown, "built as a module (" + module + "); whether its file is installed is not to be seen"};
  return {Part::unknown, "neither a kernel configuration nor a list of modules is on this host"};
}

bool KernelBuild::at_least(int major, int minor) const noexcept {
  return major_ > major || (major_ == major && minor_ >= minor);
}

}  // namespace sovirt
