#include "daemon/kernel/image/host_apt.hpp"

#include <array>
#include <cstdlib>
#include <sstream>

#include "daemon/base/error.hpp"
#include "daemon/base/spawn.hpp"
#include "daemon/kernel/image/boxed_process.hpp"

namespace sovirt::image {
namespace {

constexpr const char* well_known = "http://deb.debian.org/debian";

// "" if the tool is not there or fails: a host without apt is no reason not to build.
std::string output_of(std::vector<std::string> arguments, const ProgressMeter& meter) {
  std::string output;
  const BoxedCommand command{std::move(arguments), plain_environment()};
  try {
    const int status = run_boxed(command, meter, [&](std::string_view line) { output.append(line).append("\n"); });
    return status == 0 ? output : std::string{};
  } catch (const Error& error) {
    if (error.code() == Code::cancelled) throw;
    return {};
  }
}

template <class Use>
void each_line(std::string_view text, Use use) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    use(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
}

}  // namespace

std::optional<std::string> pick_mirror(std::string_view index_targets) {
  std::optional<std::string> by_label, by_path;
  each_line(index_targets, [&](std::string_view line) {
    std::istringstream words{std::string(line)};
    std::string uri, release, component, label;
    words >> uri >> release >> component >> label;
    const bool known = uri.starts_with("http://") || uri.starts_with("https://") || uri.starts_with("file:/");
    // Updates and backports lie on the same mirror but are no suites to install from; security has a mirror of its own.
    if (!known || component != "main" || release.find('-') != std::string::npos || release.find('/') != std::string::npos) return;
    while (uri.ends_with('/')) uri.pop_back();
    if (uri.starts_with("file:/") && !uri.starts_with("file:///")) uri.insert(5, "//");
    if (!by_label && label == "Debian") by_label = uri;
    if (!by_path && uri.ends_with("/debian")) by_path = uri;
  });
  return by_label ? by_label : by_path;
}

std::vector<std::string> pick_proxies(std::string_view apt_config) {
  std::vector<std::string> out;
  each_line(apt_config, [&](std::string_view line) {
    for (const auto& [key, name] : {std::pair<std::string_view, std::string_view>{"Acquire::http::Proxy \"", "http_proxy="},
                                    {"Acquire::https::Proxy \"", "https_proxy="}}) {
      if (!line.starts_with(key)) continue;
      const std::string_view value = line.substr(key.size(), line.rfind('"') - key.size());
      if (!value.empty() && value != "DIRECT") out.push_back(std::string(name) + std::string(value));
    }
  });
  return out;
}

std::string host_mirror(const ProgressMeter& meter) {
  const std::string targets = output_of({"/usr/bin/apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(LABEL)",
                                         "Created-By: Packages"}, meter);
  return pick_mirror(targets).value_or(well_known);
}

std::vector<std::string> proxy_environment(const ProgressMeter& meter) {
  std::vector<std::string> out;
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
    if (const char* value = std::getenv(name); value && *value) out.push_back(std::string(name) + "=" + value);
  return out.empty() ? pick_proxies(output_of({"/usr/bin/apt-config", "dump"}, meter)) : out;
}

}  // namespace sovirt::image
