#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/kernel/image/progress_meter.hpp"

namespace sovirt::image {

// The Debian mirror this host's own apt uses; Debian's well-known one if it has none.
std::string host_mirror(const ProgressMeter&);

// The proxies a program that fetches from there needs, as "http_proxy=…" and the like: this process's environment, else
// apt's own configuration.
std::vector<std::string> proxy_environment(const ProgressMeter&);

// Both parsers alone. Lines "URI RELEASE COMPONENT LABEL"; lines `Acquire::http::Proxy "…";`.
std::optional<std::string> pick_mirror(std::string_view index_targets);
std::vector<std::string> pick_proxies(std::string_view apt_config);

}  // namespace sovirt::image
